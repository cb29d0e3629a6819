"""What pages of datasets tell of jobs: templates may ask, while the application datasets knows no jobs."""

from django import template

from datasets.models import Dataset
from jobs import queries
from jobs.queries import WorkOnDataset

register = template.Library()


@register.simple_tag
def work_on(dataset: Dataset) -> WorkOnDataset:
    """The dataset's validation and repair that have not ended."""
    return queries.work_on(dataset.pk)
