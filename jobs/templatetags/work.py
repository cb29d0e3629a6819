"""What pages of datasets tell of jobs: templates may ask, while the application datasets knows no jobs."""

from dataclasses import dataclass

from django import template

from datasets.models import Dataset
from jobs import progress, queries
from jobs.models import Job
from jobs.queries import WorkOnDataset
from jobs.words import KIND_WORDS, KindWords, meaning

register = template.Library()


@register.filter
def kind_words(job: Job) -> KindWords:
    """How pages call what the job does."""
    return KIND_WORDS[job.kind]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a job is; `version` is "" where Redis has none."""

    done: int
    version: str


register.filter("meaning", meaning)


@register.simple_tag
def version_of(job: Job | None) -> str:
    """The token that changes with anything of the job; "" where there is none."""
    return (progress.version(job.pk) or "") if job else ""


@register.simple_tag
def standing_of(job: Job) -> Standing:
    """How far the job is, and the token that its note polls with."""
    # Before the counters: a change in between is drawn by the next poll, never taken for seen.
    version = progress.version(job.pk)
    return Standing(done=queries.done(job, progress.read(job)), version=version or "")


@register.simple_tag
def work_on(dataset: Dataset) -> WorkOnDataset:
    """The dataset's validation and repair that have not ended."""
    return queries.work_on(dataset.pk)
