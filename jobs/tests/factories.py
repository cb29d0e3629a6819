"""Rows of a job for tests, in states that the database's constraints allow."""

# factory_boy declares its types in part.
# mypy: allow-untyped-calls

import hashlib
import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone
from factory.declarations import LazyAttribute, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from datasets.tests.factories import DatasetFactory, UserFactory
from jobs.models import TERMINAL, Activity, Chunk, Finding, Job, LabelTarget, ListedUrl, Status
from jobs.spec import CrawlSpec, Keyword
from jobs.token_models import ApiToken


class JobFactory(DjangoModelFactory[Job]):
    class Meta:
        model = Job

    dataset = SubFactory(DatasetFactory)
    status = Status.PENDING
    spec = CrawlSpec(keywords=(Keyword("robin", "robin"),), sources=("sample",), per_label=10).to_json()
    finished_at = LazyAttribute(lambda o: timezone.now() if o.status in TERMINAL else None)


class LabelTargetFactory(DjangoModelFactory[LabelTarget]):
    class Meta:
        model = LabelTarget

    job = SubFactory(JobFactory)
    label = "robin"
    wanted = 10

    @classmethod
    def _create(cls, model_class: type[LabelTarget], *args: Any, **kwargs: Any) -> LabelTarget:
        """As a submission does it: the job wants what its labels want together."""
        target: LabelTarget = super()._create(model_class, *args, **kwargs)
        target.job.wanted += target.wanted
        Job.objects.filter(pk=target.job_id).update(wanted=target.job.wanted)
        return target


class ChunkFactory(DjangoModelFactory[Chunk]):
    class Meta:
        model = Chunk

    job = SubFactory(JobFactory)
    status = Status.PENDING
    keyword = "robin"
    label = "robin"
    source = "sample"
    window = Sequence(int)
    finished_at = LazyAttribute(lambda o: timezone.now() if o.status in TERMINAL else None)
    lease_token = LazyAttribute(lambda o: uuid.uuid4() if o.status == Status.PROCESSING else None)
    lease_expires_at = LazyAttribute(
        lambda o: timezone.now() + timedelta(seconds=30) if o.status == Status.PROCESSING else None
    )


class FindingFactory(DjangoModelFactory[Finding]):
    class Meta:
        model = Finding

    chunk = SubFactory(ChunkFactory)
    job = SelfAttribute("chunk.job")
    key = Sequence(lambda n: f"url:{n:032x}")
    url = Sequence(lambda n: f"https://photos.example/{n}.jpg")
    outcome = "kept"


class ListedUrlFactory(DjangoModelFactory[ListedUrl]):
    class Meta:
        model = ListedUrl

    job = SubFactory(JobFactory)
    label = "robin"
    position = Sequence(int)
    url = Sequence(lambda n: f"https://photos.example/listed/{n}.jpg")


class ActivityFactory(DjangoModelFactory[Activity]):
    class Meta:
        model = Activity

    job = SubFactory(JobFactory)
    sentence = "Started."


class ApiTokenFactory(DjangoModelFactory[ApiToken]):
    """A stored token; one that can be sent comes from jobs.tokens.create_token."""

    class Meta:
        model = ApiToken

    user = SubFactory(UserFactory)
    name = Sequence(lambda n: f"token {n}")
    digest = Sequence(lambda n: hashlib.sha256(f"token {n}".encode()).hexdigest())
