"""What pages of datasets tell of jobs: templates may ask, while the application datasets knows no jobs."""

from django import template

from datasets.models import Dataset
from jobs import queries
from jobs.models import Job
from jobs.queries import WorkOnDataset
from jobs.words import KIND_WORDS, KindWords

register = template.Library()


@register.filter
def kind_words(job: Job) -> KindWords:
    """How pages call what the job does."""
    return KIND_WORDS[job.kind]


@register.simple_tag
def work_on(dataset: Dataset) -> WorkOnDataset:
    """The dataset's validation and repair that have not ended."""
    return queries.work_on(dataset.pk)
