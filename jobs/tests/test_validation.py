"""Validations: every damage is named, nothing sound is flagged, and the ledger adds up whatever happens meanwhile."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from PIL import Image as PillowImage
from pytest_django import Settings

from datasets import blobs
from datasets.models import Dataset, DuplicateScan, Image, ValidationLevel
from jobs import crawl_services, lifecycle, planner, runner, scheduler, services
from jobs.models import DUPLICATES_PART, Finding, Job, Kind, Status
from jobs.services import Refused
from jobs.spec import InvalidSpec
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_counters_hold
from jobs.tests.stored import body_of, dataset_of, file, images_of, overwrite, scene

pytestmark = pytest.mark.django_db(transaction=True)

LEVELS = list(ValidationLevel)


def validated(dataset: Dataset, level: str = ValidationLevel.STANDARD) -> Job:
    return drain(services.submit_validation(dataset=dataset, level=level, by=None))


def verdicts(job: Job) -> dict[int, tuple[str, str]]:
    """(outcome, reason) of each image, by its id."""
    told = Finding.objects.filter(job=job).values_list("key", "outcome", "reason")
    return {int(key.removeprefix("image:")): (outcome, reason) for key, outcome, reason in told}


@pytest.mark.parametrize("level", LEVELS)
def test_a_sound_dataset_is_found_sound(level: str) -> None:
    formats = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
    dataset = dataset_of(file(scene(seed), format) for seed, format in enumerate(formats))

    job = validated(dataset, level)

    assert_counters_hold(job)
    assert (job.status, job.found, job.kept, job.wanted) == (Status.COMPLETED, 6, 6, 6)
    assert job.summary == "Looked at 6 images: 6 sound, 0 duplicates."
    assert all(image.checked_level == level and image.damage == "" for image in images_of(dataset))


def truncate(image: Image, percent: int) -> None:
    body = body_of(image)
    overwrite(image, body[: len(body) * percent // 100])


def flip_a_bit(image: Image) -> None:
    body = bytearray(body_of(image))
    body[len(body) // 2] ^= 4
    overwrite(image, bytes(body))


def swap_extension(image: Image) -> None:
    body = body_of(image)
    name = image.blob_name.removesuffix("jpg") + "png"
    Image.objects.filter(pk=image.pk).update(blob_name=name)
    image.refresh_from_db()
    overwrite(image, body)


def misjudge_size(image: Image) -> None:
    Image.objects.filter(pk=image.pk).update(width_px=image.width_px + 1)


def miscount_bytes(image: Image) -> None:
    Image.objects.filter(pk=image.pk).update(size_bytes=image.size_bytes + 1)


DAMAGES: dict[str, tuple[Callable[[Image], None], str, str]] = {
    **{f"truncated at {percent} %": (partial(truncate, percent=percent), "checksum_mismatch", "rejected")
       for percent in range(10, 100, 10)},
    "a bit flipped": (flip_a_bit, "checksum_mismatch", "rejected"),
    "no bytes": (lambda image: overwrite(image, b""), "checksum_mismatch", "rejected"),
    "deleted": (lambda image: blobs.delete(image.blob_name), "blob_missing", "failed"),
    "swapped extension": (swap_extension, "format_mismatch", "rejected"),
    "wrong dimensions in the row": (misjudge_size, "dimensions_mismatch", "rejected"),
    "wrong size in the row": (miscount_bytes, "size_mismatch", "rejected"),
}  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
def test_every_damage_is_found_and_nothing_sound_is_flagged(level: str) -> None:
    # Pictures of its own: those of another level lie damaged in the store.
    first = 1000 * (1 + LEVELS.index(ValidationLevel(level)))
    dataset = dataset_of(file(scene(first + seed)) for seed in range(len(DAMAGES) + 10))
    images = images_of(dataset)
    expected = {image.pk: ("kept", "") for image in images}
    for image, (damage, reason, outcome) in zip(images[3:], DAMAGES.values(), strict=False):
        damage(image)
        expected[image.pk] = (outcome, reason)

    job = validated(dataset, level)

    assert_counters_hold(job)
    assert verdicts(job) == expected
    assert job.status == Status.COMPLETED
    assert (job.kept, job.failed, job.rejected) == (10, 1, len(DAMAGES) - 1)
    damaged = dict(Image.objects.filter(dataset=dataset).exclude(damage="").values_list("pk", "damage"))
    assert damaged == {pk: reason for pk, (_, reason) in expected.items() if reason}


def test_the_decoder_finds_inner_damage_even_where_the_checksum_was_damaged_too() -> None:
    """4 KiB overwritten in the middle of a JPEG, with a checksum recorded of just these bytes."""
    rng = np.random.default_rng(0)
    dataset = dataset_of(file(scene(seed, (640, 480)), quality=97) for seed in range(40))
    for image in images_of(dataset):
        body = bytearray(body_of(image))
        start = int(rng.integers(1024, len(body) - 4096 - 64))
        body[start : start + 4096] = rng.bytes(4096)
        overwrite(image, bytes(body))
        Image.objects.filter(pk=image.pk).update(sha256=blobs.sha256_of(bytes(body)))

    job = validated(dataset)

    assert_counters_hold(job)
    found = sum(outcome == "rejected" for outcome, _ in verdicts(job).values())
    assert found >= 38
    assert {reason for _, reason in verdicts(job).values()} <= {"", "corrupt", "truncated"}


def test_with_a_wrong_checksum_the_detail_says_what_the_decoder_finds() -> None:
    dataset = dataset_of([file(scene(1))])
    truncate(images_of(dataset)[0], 50)

    validated(dataset)

    finding = Finding.objects.get()
    assert finding.reason == "checksum_mismatch"
    assert "truncated" in finding.detail


def test_copies_are_duplicates_of_the_best_of_them() -> None:
    best = scene(1, (640, 480))
    copies = [best.resize((320, 240)), best]
    dataset = dataset_of([file(copies[0], quality=70), file(best, quality=95), file(copies[1], quality=50)])
    dataset_of([file(scene(2)), file(scene(3), "PNG"), file(scene(3), "WEBP", lossless=True)], dataset=dataset)
    images = images_of(dataset)

    job = validated(dataset)

    assert_counters_hold(job)
    outcomes = [verdicts(job)[image.pk][0] for image in images]
    assert outcomes == ["duplicate", "kept", "duplicate", "kept", "kept", "duplicate"]
    scan = DuplicateScan.objects.get()
    assert (scan.group_count, scan.image_count, scan.completed_at is not None) == (2, 6, True)
    groups = {group.keeper_id: group for group in scan.groups.all()}
    assert set(groups) == {images[1].pk, images[4].pk}
    near, same = groups[images[1].pk], groups[images[4].pk]
    assert [member.likeness for member in near.members.all()] == ["keeper", "near", "near"]
    assert [member.likeness for member in same.members.all()] == ["keeper", "pixels"]
    assert near.why.startswith("more bytes") or near.why.startswith("more pixels")
    details = dict(Finding.objects.filter(outcome="duplicate").values_list("key", "detail"))
    assert details[f"image:{images[5].pk}"] == f"The same pixels as image {images[4].pk}."
    assert Image.objects.get(pk=images[0].pk).near_duplicate_of_id == images[1].pk


def test_a_basic_validation_looks_for_no_duplicates() -> None:
    dataset = dataset_of([file(scene(1)), file(scene(1), quality=40)])

    job = validated(dataset, ValidationLevel.BASIC)

    assert (job.kept, job.duplicate) == (2, 0)
    assert not job.chunks.filter(source=DUPLICATES_PART).exists()
    assert not DuplicateScan.objects.exists()


def test_mirrored_and_turned_pictures_count_where_the_dataset_asks_for_it() -> None:
    picture = scene(5)
    mirrored = picture.transpose(PillowImage.Transpose.FLIP_LEFT_RIGHT)
    dataset = dataset_of([file(picture), file(mirrored), file(picture.rotate(90, expand=True))])
    assert validated(dataset).duplicate == 0

    Dataset.objects.filter(pk=dataset.pk).update(match_turned=True)
    dataset.refresh_from_db()
    job = validated(dataset)

    assert_counters_hold(job)
    assert job.duplicate == 2
    scan = DuplicateScan.objects.get()
    assert [member.likeness for member in scan.groups.get().members.all()] == ["keeper", "turned", "turned"]


def test_a_strict_validation_scores_every_image() -> None:
    dark = scene(1).point(lambda level: level // 12)
    dataset = dataset_of([file(scene(2)), file(dark), file(scene(3).convert("L").convert("RGB"))])

    validated(dataset, ValidationLevel.STRICT)

    plain, night, grey = images_of(dataset)
    assert plain.dark_score is not None
    assert night.dark_score is not None
    assert plain.dark_score > 0.32 > night.dark_score
    assert [image.is_grayscale for image in (plain, night, grey)] == [False, False, True]
    assert [image.has_gps for image in (plain, night, grey)] == [False, False, False]


def test_scores_stay_when_a_lower_level_looks_again() -> None:
    dataset = dataset_of([file(scene(2))])
    validated(dataset, ValidationLevel.STRICT)
    before = images_of(dataset)[0]

    validated(dataset, ValidationLevel.BASIC)

    after = images_of(dataset)[0]
    assert (after.checked_level, after.blurry_score) == (ValidationLevel.BASIC, before.blurry_score)
    assert after.pixel_hash == before.pixel_hash != ""


def test_images_are_looked_at_in_chunks_and_those_of_other_datasets_are_not(settings: Settings) -> None:
    settings.VALIDATION_CHUNK_SIZE = 3
    dataset = dataset_of(file(scene(seed)) for seed in range(4))
    dataset_of([file(scene(99))])
    dataset_of([file(scene(seed)) for seed in range(4, 8)], dataset=dataset)

    job = validated(dataset)

    assert_counters_hold(job)
    assert (job.found, job.chunks.count()) == (8, 4)


def test_images_that_come_meanwhile_are_left_to_the_next_validation() -> None:
    dataset = dataset_of([file(scene(1))])
    job = services.submit_validation(dataset=dataset, by=None)
    dataset_of([file(scene(2))], dataset=dataset)

    drain(job)

    assert_counters_hold(job)
    assert job.found == 1


def test_an_image_that_is_removed_meanwhile_leaves_no_finding() -> None:
    dataset = dataset_of(file(scene(seed)) for seed in range(3))
    job = services.submit_validation(dataset=dataset, by=None)
    planner.plan(job.pk)
    images_of(dataset)[1].delete()

    drain(job)

    assert_counters_hold(job)
    assert (job.status, job.found) == (Status.COMPLETED, 2)


def test_two_validations_at_once_each_keep_a_true_ledger(settings: Settings) -> None:
    settings.VALIDATION_CHUNK_SIZE = 2
    dataset = dataset_of([*(file(scene(seed)) for seed in range(5)), file(scene(0), quality=40)])
    first, second = (services.submit_validation(dataset=dataset, by=None) for _ in range(2))
    for job in (first, second):
        planner.plan(job.pk)
    for _ in range(10):
        for job in (first, second):
            chunk = job.chunks.filter(status=Status.PENDING).order_by("id").first()
            if chunk:
                runner.run_chunk(chunk.pk)

    for job in (first, second):
        assert_counters_hold(job)
        assert (job.status, job.found, job.duplicate) == (Status.COMPLETED, 6, 1)
    assert DuplicateScan.objects.count() == 1


def test_a_worker_that_dies_in_the_middle_costs_no_image_and_no_finding(settings: Settings) -> None:
    settings.VALIDATION_CHUNK_SIZE = 100
    dataset = dataset_of(file(scene(seed)) for seed in range(5))
    job = services.submit_validation(dataset=dataset, by=None)
    planner.plan(job.pk)
    chunk = job.chunks.get()
    lease = lifecycle.claim_chunk(chunk.pk, worker="gone", task_id="")
    assert lease is not None
    settings.LEASE_S = -1.0
    lifecycle.extend_lease(lease)
    settings.LEASE_S = 60.0

    scheduler.sweep()
    drain(job)

    assert_counters_hold(job)
    assert (job.status, job.found) == (Status.COMPLETED, 5)


def test_a_search_for_duplicates_that_was_killed_begins_anew() -> None:
    dataset = dataset_of([file(scene(1)), file(scene(1), quality=40), file(scene(2))])
    job = services.submit_validation(dataset=dataset, by=None)
    planner.plan(job.pk)
    runner.run_chunk(job.chunks.get().pk)
    search = job.chunks.get(source=DUPLICATES_PART)
    left_over = DuplicateScan.objects.create(dataset=dataset, job_id=job.pk, max_bits=10)

    runner.run_chunk(search.pk)

    assert_counters_hold(job)
    assert job.duplicate == 1
    assert DuplicateScan.objects.exclude(pk=left_over.pk).get().group_count == 1
    assert not DuplicateScan.objects.filter(pk=left_over.pk).exists()


def test_a_cancelled_validation_goes_on_where_it_stopped(settings: Settings) -> None:
    settings.VALIDATION_CHUNK_SIZE = 2
    dataset = dataset_of([*(file(scene(seed)) for seed in range(4)), file(scene(0), quality=40)])
    job = services.submit_validation(dataset=dataset, by=None)
    planner.plan(job.pk)
    runner.run_chunk(job.chunks.order_by("pk")[0].pk)
    services.cancel_job(job_id=job.pk, by=None)
    job.refresh_from_db()
    assert (job.status, job.summary) == (Status.CANCELLED, "Cancelled. What was found about 2 images stays.")

    drain(services.retry_job(job_id=job.pk, by=None))

    assert_counters_hold(job)
    assert (job.status, job.found, job.duplicate) == (Status.COMPLETED, 5, 1)
    with pytest.raises(Refused, match="all of it was looked at"):
        services.retry_job(job_id=job.pk, by=None)


def test_a_new_search_replaces_the_groups_of_the_one_before() -> None:
    dataset = dataset_of([file(scene(1)), file(scene(1), quality=40)])
    validated(dataset)
    images_of(dataset)[0].delete()

    validated(dataset)

    assert DuplicateScan.objects.get().group_count == 0
    assert images_of(dataset)[0].near_duplicate_of_id is None


def test_what_cannot_be_validated_is_refused() -> None:
    dataset = dataset_of([])
    with pytest.raises(Refused, match="no images to look at"):
        services.submit_validation(dataset=dataset, by=None)
    with pytest.raises(InvalidSpec, match="There is no level “deep”"):
        services.submit_validation(dataset=dataset, level="deep", by=None)


def test_a_request_that_arrives_twice_makes_one_job() -> None:
    dataset = dataset_of([file(scene(1))])
    first, second = (services.submit_validation(dataset=dataset, by=None, submit_key="k") for _ in range(2))
    assert first == second


def test_a_validation_is_no_crawl_to_be_topped_up() -> None:
    job = validated(dataset_of([file(scene(1))]))
    with pytest.raises(Refused, match="no crawl"):
        services.top_up(job_id=job.pk, images=5, by=None)


def test_a_crawl_is_followed_by_a_validation_where_the_dataset_asks_for_it() -> None:
    job = crawl_services.start_sample_crawl(by=None)
    Dataset.objects.filter(pk=job.dataset_id).update(validate_after_crawl=ValidationLevel.STRICT)

    drain(job)

    follower = Job.objects.get(kind=Kind.VALIDATE)
    assert (follower.status, follower.spec["level"], follower.wanted) == (Status.PENDING, "strict", job.kept)
    assert_counters_hold(drain(follower))
