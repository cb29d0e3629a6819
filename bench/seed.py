"""A dataset with all that surrounds it, made of rows alone: for measurements, pictures of pages and tests.

Rows have the spread of real ones (labels, sources, licences, sizes, scores, damage, look-alikes) and are the same in
every run. No file is written: pages show thumbnails as missing.
"""

import hashlib
import random
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any, Self, TypeVar

from django.contrib.auth.models import Permission, User
from django.db.models import Sum
from django.utils import timezone

from bench.copies import ANOTHER_HASH, NUMBERED, copy_rows
from datasets import numbers
from datasets.audit_models import AuditEntry, Verb
from datasets.models import (
    Dataset,
    Decision,
    DuplicateGroup,
    DuplicateMember,
    DuplicateScan,
    Image,
    Likeness,
    ValidationLevel,
    Verdict,
)
from jobs import kept, progress
from jobs.look_models import Look
from jobs.models import Activity, Chunk, Finding, Job, Kind, LabelTarget, Level, Status
from jobs.spec import CrawlSpec, Keyword, ValidationSpec

_T = TypeVar("_T")

_BATCH = 2_000
#: Rows of one kind that are made one by one; what goes beyond is copied from them by the database.
_DRAWN = 20_000
_SOURCES = ("openverse", "urls", "sample", "commons")
_LICENCES = ("cc0", "by", "by-sa", "by-nc", "unknown")
_FORMATS = (("JPEG", "jpg"), ("JPEG", "jpg"), ("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"))
_SIDES_PX = ((640, 480), (1024, 768), (480, 640), (1920, 1080), (800, 800), (2400, 1600), (320, 240))
_DAMAGES = ("blob_missing", "checksum_mismatch", "truncated")
_FAILURES = ("timeout", "http_5xx", "dns_error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many rows: `images` of the large dataset, `chunks` of the live job, `groups` of look-alikes (three images
    each), `jobs` that ended, `datasets` beside the large one, `labels` of the large one; `ended_chunks` of the crawl
    that the images came from, `lines` in the live job's log beside one a chunk, `entries` of who did what.
    """

    images: int = 100_000
    chunks: int = 48
    groups: int = 1_000
    jobs: int = 300
    datasets: int = 60
    labels: int = 40
    ended_chunks: int = 1
    lines: int = 0
    entries: int = 0

    @classmethod
    def of(cls, images: int) -> Self:
        """All that grows with the images of an installation, as many to an image as a real one has."""
        return cls(
            images=images,
            groups=images // 100,
            jobs=max(300, images // 20),
            datasets=max(60, images // 1_000),
            ended_chunks=images // 50,
            lines=images,
            entries=images,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """What pages are asked for: the large dataset, its live and its ended crawl, its running validation and dry run."""

    dataset: Dataset
    live: Job
    ended: Job
    validation: Job
    dry: Job
    user: User


def seed(size: Size, *, username: str = "bench") -> Seeded:
    """Makes the rows; the user has the rights of an operator and more, is no superuser and has no password."""
    user = User.objects.create_user(username)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label__in=["jobs", "datasets"]))
    labels = [f"species {number:03}" for number in range(size.labels)]
    _small_datasets(size, user)
    dataset = Dataset.objects.create(name="Garden birds of Europe", slug="garden-birds", created_by=user)
    ended = _ended_crawls(dataset, size, user)
    images = _images(dataset, ended, size.images, labels)
    _findings(ended, size)
    _entries(user, size.entries)
    groups = min(size.groups, size.images // 3)
    _duplicates(dataset, ended, groups)
    Decision.objects.create(dataset=dataset, words="Group 1: kept 1, excluded 2", made_by=user)
    Dataset.objects.filter(pk=dataset.pk).update(image_count=images.count, size_bytes=images.size_bytes)
    dataset.refresh_from_db()
    if numbers.is_large(dataset):
        kept.draw(dataset.pk)
    return Seeded(
        dataset=dataset,
        live=_live_crawl(dataset, size, user),
        ended=ended,
        validation=_validation(dataset, size, user),
        dry=_dry_run(dataset, size, user),
        user=user,
    )


@dataclass(frozen=True, slots=True)
class _Stored:
    count: int
    size_bytes: int


def _images(dataset: Dataset, job: Job, count: int, labels: Sequence[str]) -> _Stored:
    chance = random.Random(6)
    for places in _in_parts(range(min(count, _DRAWN)), _BATCH):
        Image.objects.bulk_create([_image(dataset, job, number, labels, chance) for number in places])
    copy_rows(
        Image,
        {"dataset_id": dataset.pk},
        count,
        {"sha256": NUMBERED, "url_key": NUMBERED, "phash": ANOTHER_HASH, "dhash": ANOTHER_HASH},
    )
    size_bytes = Image.objects.filter(dataset=dataset).aggregate(n=Sum("size_bytes"))["n"]
    return _Stored(count, size_bytes or 0)


def _image(dataset: Dataset, job: Job, number: int, labels: Sequence[str], chance: random.Random) -> Image:
    sha256 = hashlib.sha256(f"{dataset.pk}-{number}".encode()).hexdigest()
    (picture_format, suffix), (width_px, height_px) = chance.choice(_FORMATS), chance.choice(_SIDES_PX)
    # Squared: a few labels have many images, most have few.
    label = labels[int(chance.random() ** 2 * len(labels))]
    url = f"https://photos{number % 50}.example/{number}.{suffix}"
    is_checked = number % 10 > 0
    # One in 20,000 has what hardly any other has.
    is_rare = number == 7
    return Image(
        dataset=dataset,
        job_id=job.pk,
        label=label,
        keyword=label,
        sha256=sha256,
        blob_name=f"originals/{sha256[:2]}/{sha256}.{suffix}",
        thumb_name=f"thumbs/{sha256[:2]}/{sha256}.jpg",
        size_bytes=chance.randrange(20_000, 2_000_000),
        format="AVIF" if is_rare else picture_format,
        mode="RGB",
        width_px=width_px,
        height_px=height_px,
        phash=chance.getrandbits(63),
        dhash=chance.getrandbits(63),
        source="archive" if is_rare else _SOURCES[number % 7 % len(_SOURCES)],
        url=url,
        url_key=hashlib.sha256(url.encode()).hexdigest()[:32],
        page_url=f"https://photos{number % 50}.example/page/{number}",
        title=f"{label}, {'aurora' if is_rare else 'picture'} {number}",
        licence_code="pdm" if is_rare else chance.choice(_LICENCES),
        frames=12 if is_rare else 1,
        checked_at=timezone.now() if is_checked else None,
        checked_level=ValidationLevel.STRICT if is_checked else "",
        damage=chance.choice(_DAMAGES) if is_checked and number % 97 == 0 else "",
        is_grayscale=number % 31 == 0,
        has_gps=number % 23 == 0,
        has_personal_data=number % 41 == 0,
        review=Verdict.EXCLUDED if number % 113 == 0 else "",
        **({score: chance.betavariate(6, 2) for score in _SCORES} if is_checked else {}),
    )


_SCORES = (
    "dark_score", "light_score", "low_information_score", "blurry_score", "odd_aspect_ratio_score", "uniform_score",
)  # fmt: skip


def _small_datasets(size: Size, user: User) -> None:
    """Each with images of its own, as cards show three."""
    rows = [
        Dataset(name=f"Collection {number}", slug=f"collection-{number}", created_by=user, image_count=4)
        for number in range(size.datasets)
    ]
    chance = random.Random(9)
    for dataset in Dataset.objects.bulk_create(rows):
        job = Job.objects.create(dataset=dataset, spec=_spec(1).to_json(), created_by=user, **_done())
        Image.objects.bulk_create([_image(dataset, job, number, ["moth"], chance) for number in range(4)])


def _spec(keywords: int) -> CrawlSpec:
    names = [f"species {number:03}" for number in range(keywords)]
    return CrawlSpec(keywords=tuple(Keyword(name, name) for name in names), sources=_SOURCES[:2], per_label=500)


def _done(status: Status = Status.COMPLETED) -> dict[str, Any]:
    now = timezone.now()
    return {"status": status, "started_at": now - timedelta(minutes=9), "finished_at": now - timedelta(minutes=1)}


def _ended_crawls(dataset: Dataset, size: Size, user: User) -> Job:
    """Crawls that ended in every way; gives the one that the images came from."""
    statuses = (Status.COMPLETED, Status.COMPLETED, Status.FAILED, Status.CANCELLED)
    others = [
        Job(
            dataset=dataset,
            spec=_spec(4).to_json(),
            created_by=user,
            found=10,
            kept=8,
            failed=2,
            wanted=2_000,
            summary="Kept 8 of 2,000: the sources had no more.",
            **_done(statuses[number % len(statuses)]),
        )
        for number in range(min(size.jobs, _BATCH))
    ]
    Job.objects.bulk_create(others)
    copy_rows(Job, {"dataset_id": dataset.pk}, size.jobs, {})
    return Job.objects.create(
        dataset=dataset, spec=_spec(size.chunks // 2).to_json(), created_by=user, wanted=size.images, **_done()
    )


def _findings(job: Job, size: Size) -> None:
    """As many as images, a third of them left out or failed; the first chunk of the job has all of them."""
    count = size.images
    lanes = CrawlSpec.from_json(job.spec).lanes
    chunk, *_ = Chunk.objects.bulk_create(
        Chunk(job=job, keyword=lane.keyword, label=lane.label, source=lane.source, **_done())
        for lane in lanes[: size.ended_chunks]
    )
    copy_rows(Chunk, {"job_id": job.pk}, size.ended_chunks, {"window": "{column} + {n}"})
    Chunk.objects.filter(pk=chunk.pk).update(found=count, **_numbers(count))
    Job.objects.filter(pk=job.pk).update(found=count, **_numbers(count))
    for rows in _in_parts(_finding_rows(job, chunk, min(count, _DRAWN)), _BATCH):
        Finding.objects.bulk_create(rows)
    copy_rows(Finding, {"job_id": job.pk}, count, {"key": "'url:{n:08x}' || substr({column}, 13)"})


def _entries(user: User, count: int) -> None:
    """Half of them somebody else's."""
    names = (user.username, "ann")
    AuditEntry.objects.bulk_create(
        AuditEntry(actor_name=names[number % 2], verb=Verb.DECIDED if number else Verb.DELETED, words="Kept 1 image")
        for number in range(min(count, _BATCH))
    )
    copy_rows(AuditEntry, {}, count, {})


def _finding_rows(job: Job, chunk: Chunk, count: int) -> Iterator[Finding]:
    numbers = _numbers(count)
    told = [("kept", "")] * numbers["kept"] + [("duplicate", "duplicate_exact")] * numbers["duplicate"]
    told += [("failed", _FAILURES[number % len(_FAILURES)]) for number in range(numbers["failed"])]
    for number, (outcome, reason) in enumerate(told):
        url = f"https://photos.example/found/{number}.jpg"
        yield Finding(job=job, chunk=chunk, key=f"url:{number:032x}", url=url, outcome=outcome, reason=reason)


def _numbers(found: int) -> dict[str, int]:
    duplicate, failed = found // 5, found // 10
    return {"kept": found - duplicate - failed, "duplicate": duplicate, "failed": failed}


def _dry_run(dataset: Dataset, size: Size, user: User) -> Job:
    """Under way, all but the last of its lanes looked at."""
    spec = _spec(size.chunks // 2)
    job = Job.objects.create(
        dataset=dataset, spec=spec.to_json(), created_by=user, dry_run=True, status=Status.PROCESSING,
        started_at=timezone.now(), wanted=spec.per_label * len(spec.labels),
    )  # fmt: skip
    rows = [Chunk(job=job, label=one.label, keyword=one.keyword, source=one.source, **_done()) for one in spec.lanes]
    chunks = Chunk.objects.bulk_create(rows)
    Chunk.objects.filter(pk=chunks[-1].pk).update(status=Status.PENDING, finished_at=None)
    sample = {
        "title": "A picture", "page_url": "", "licence": "CC0", "width_px": 640, "height_px": 480, "size_bytes": 90_000,
        "trouble": "", "has_thumbnail": True,
    }  # fmt: skip
    Look.objects.bulk_create(
        Look(
            chunk=chunk, total=4_000, seen=100, usable=90, known=7, repeated=1, refused={"too_small": 2},
            licences={"CC0": 60, "CC BY 4.0": 38}, sizes={"1 to 4 MP": 98},
            keys=[f"{chunk.pk:08x}{n:08x}" for n in range(90)], samples=[{**sample, "n": n} for n in range(6)],
        )
        for chunk in chunks[:-1]
    )  # fmt: skip
    progress.rebuild(job)
    return job


def _duplicates(dataset: Dataset, job: Job, groups: int) -> None:
    """Groups of three images that follow each other, one in four decided."""
    newest = Image.objects.filter(dataset=dataset).order_by("-pk").values_list("pk", flat=True).first() or 0
    now = timezone.now()
    scan = DuplicateScan.objects.create(
        dataset=dataset, job_id=job.pk, max_bits=10, last_image_id=newest, image_count=dataset.images.count(),
        group_count=groups, completed_at=now,
    )  # fmt: skip
    images = list(dataset.images.order_by("pk").values_list("pk", "label", "source")[: 3 * groups])
    rows = DuplicateGroup.objects.bulk_create(
        [
            DuplicateGroup(
                scan=scan,
                position=position,
                keeper_id=images[3 * position - 3][0],
                why="A known licence.",
                decided_at=now if position % 4 == 0 else None,
            )
            for position in range(1, groups + 1)
        ],
        batch_size=_BATCH,
    )
    members = []
    for row, part in zip(rows, _in_parts(images, 3), strict=True):
        keeper, *others = (image_id for image_id, _, _ in part)
        members += [
            DuplicateMember(
                group=row,
                image_id=image_id,
                likeness=Likeness.KEEPER if image_id == keeper else Likeness.NEAR,
                label=label,
                source=source,
                phash_bits=0 if image_id == keeper else 4,
                dhash_bits=0 if image_id == keeper else 3,
            )
            for image_id, label, source in part
        ]
        Image.objects.filter(pk__in=others).update(near_duplicate_of=keeper, near_distance_bits=4)
    DuplicateMember.objects.bulk_create(members, batch_size=_BATCH)


def _live_crawl(dataset: Dataset, size: Size, user: User) -> Job:
    """A crawl under way: chunks ended, failed, working, waiting; counters in Redis."""
    spec = _spec(size.chunks // 2)
    now = timezone.now()
    job = Job.objects.create(
        dataset=dataset, spec=spec.to_json(), status=Status.PROCESSING, wanted=500 * len(spec.labels),
        created_by=user, started_at=now - timedelta(minutes=3),
    )  # fmt: skip
    LabelTarget.objects.bulk_create([LabelTarget(job=job, label=label, wanted=500) for label in spec.labels])
    states = (Status.COMPLETED, Status.PROCESSING, Status.PENDING, Status.FAILED)
    chunks = []
    for number, lane in enumerate(spec.lanes):
        status = states[number % len(states)]
        chunk = Chunk(job=job, keyword=lane.keyword, label=lane.label, source=lane.source, status=status)
        if status == Status.PROCESSING:
            chunk.lease_token, chunk.lease_expires_at = uuid.uuid4(), now + timedelta(hours=1)
        if status in (Status.COMPLETED, Status.FAILED):
            chunk.finished_at = now
        if status == Status.FAILED:
            chunk.error = "Openverse answered “too many requests” five times."
        else:
            chunk.found = chunk.kept = 20
        chunks.append(chunk)
    Chunk.objects.bulk_create(chunks)
    sentences = [f"species {number:03} × openverse: 20 kept" for number in range(size.chunks)]
    Activity.objects.bulk_create([Activity(job=job, level=Level.INFO, sentence=sentence) for sentence in sentences])
    copy_rows(Activity, {"job_id": job.pk}, size.lines, {})
    progress.rebuild(job)
    return job


def _validation(dataset: Dataset, size: Size, user: User) -> Job:
    spec = ValidationSpec(level=ValidationLevel.STRICT, last_image_id=2**31, image_count=size.images)
    job = Job.objects.create(
        dataset=dataset, kind=Kind.VALIDATE, spec=spec.to_json(), status=Status.PROCESSING, wanted=size.images,
        created_by=user, started_at=timezone.now(),
    )  # fmt: skip
    progress.rebuild(job)
    return job


def _in_parts(rows: Iterable[_T], size: int) -> Iterator[list[_T]]:
    given = iter(rows)
    while part := list(islice(given, size)):
        yield part
