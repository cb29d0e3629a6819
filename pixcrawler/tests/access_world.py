"""Everybody there is and what there is to reach: for the tests that walk every address."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group, User
from django.test import Client

from datasets.audit_models import AuditEntry
from datasets.models import Dataset, Image, Verdict
from datasets.people import ADMINISTRATOR, OPERATOR, VIEWER
from datasets.review import decide_images
from datasets.tests.factories import DatasetFactory, ImageFactory, UserFactory
from jobs.export_models import Export
from jobs.models import Chunk, Job, Status
from jobs.tests.factories import ChunkFactory, JobFactory, LabelTargetFactory
from jobs.token_models import ApiToken, Scope
from jobs.tokens import create_token

#: Everybody, from the one who may the least. The owner made the private dataset and is an operator.
EVERYBODY = ("anonymous", "viewer", "operator", "owner", "administrator")
SIGNED_IN = EVERYBODY[1:]
OPERATORS = ("operator", "owner", "administrator")
SEE_PRIVATE = ("owner", "administrator")

_GROUPS = {"viewer": VIEWER, "operator": OPERATOR, "owner": OPERATOR, "administrator": ADMINISTRATOR}


@dataclass(frozen=True)
class World:
    """A private dataset of the owner's and a shared one of nobody's, each with an image and a job that has ended."""

    people: dict[str, User]
    private: Dataset
    shared: Dataset

    def client(self, who: str) -> Client:
        """Somebody's browser."""
        client = Client()
        if who != "anonymous":
            client.force_login(self.people[who])
        return client

    def script(self, who: str, scope: Scope) -> Client:
        """Somebody's program, with a token of that scope."""
        return Client(headers=self.headers(who, scope))

    def headers(self, who: str, scope: Scope) -> dict[str, str]:
        """What such a program sends along."""
        return {"Authorization": f"Bearer {create_token(self.people[who], 'walk', scope=scope)}"}

    def again(self) -> None:
        """Puts back what a walk may have changed: a share that changed hands."""
        Dataset.objects.filter(pk=self.private.pk).update(is_shared=False)
        Dataset.objects.filter(pk=self.shared.pk).update(is_shared=True)


def make_world() -> World:
    people = {name: UserFactory.create(username=name) for name in SIGNED_IN}
    for name, group in _GROUPS.items():
        people[name].groups.add(Group.objects.get(name=group))
    private = DatasetFactory.create(is_shared=False, created_by=people["owner"], image_count=2, size_bytes=2_000)
    shared = DatasetFactory.create(image_count=2, size_bytes=2_000)
    return World(people=people, private=_filled(private), shared=_filled(shared))


def what_there_is() -> tuple[Any, ...]:
    """What a request that is refused must leave alone."""
    jobs = tuple(Job.objects.order_by("pk").values_list("pk", "status", "run", "paused_at", "cancel_requested_at"))
    datasets = tuple(Dataset.objects.order_by("pk").values_list("pk", "is_shared", "image_count"))
    reviews = tuple(Image.objects.order_by("pk").values_list("pk", "review"))
    counts = (AuditEntry.objects.count(), Export.objects.count(), Chunk.objects.count(), ApiToken.objects.count())
    return jobs, datasets, reviews, counts


def _filled(dataset: Dataset) -> Dataset:
    image = ImageFactory.create(dataset=dataset)
    decide_images(dataset, [ImageFactory.create(dataset=dataset).pk], Verdict.EXCLUDED, by=None)
    job = JobFactory.create(dataset=dataset, status=Status.FAILED)
    LabelTargetFactory.create(job=job)
    ChunkFactory.create(job=job, status=Status.FAILED)
    Export.objects.create(job=job, format="csv", folder=f"{job.pk}-0000000{dataset.pk % 10}")
    image.refresh_from_db()
    return dataset
