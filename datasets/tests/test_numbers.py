"""A dataset in numbers: counted as its rows say, kept where it is large, and known to be old once they change."""

import random
from collections import Counter
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from datasets import duplicate_scan, flags, numbers, queries, review, takedowns
from datasets.grouping import Group, Member
from datasets.imaging.checks import CHECKS, DEFAULT_THRESHOLDS, Check, Direction
from datasets.models import Dataset, DuplicateGroup, Image, ValidationLevel, Verdict
from datasets.number_models import KeptNumbers
from datasets.numbers import COUNTED_ANEW, Numbers
from datasets.queries import FACETS, Filters
from datasets.services import add_images
from datasets.tests.factories import DatasetFactory, ImageFactory, UserFactory
from datasets.tests.test_services import new_image

pytestmark = pytest.mark.django_db

#: Of the slider, where floats are not what they seem: 0.29 × 100 is less than 29.
LINES = (0.0, 0.01, 0.07, 0.28, 0.29, 0.57, 0.58, 0.99, 1.0)


@pytest.fixture
def dataset() -> Dataset:
    """Images with scores on lines and off them; it counts as large, whatever its rows are."""
    dataset = DatasetFactory.create(slug="birds", image_count=COUNTED_ANEW + 40, size_bytes=10**12)
    chance = random.Random(4)
    for number in range(40):
        fill(dataset, chance, number)
    return dataset


def fill(dataset: Dataset, chance: random.Random, number: int) -> Image:
    scored = [info.field for info in CHECKS.values() if info.direction == Direction.BELOW]
    level = chance.choice(["", *ValidationLevel.values])
    return ImageFactory.create(
        dataset=dataset,
        label=chance.choice(["robin", "wren", "tit"]),
        source=chance.choice(["urls", "sample"]),
        licence_code=chance.choice(["cc0", "by", ""]),
        format=chance.choice(["JPEG", "PNG"]),
        damage=chance.choice(["", "", "", "truncated"]),
        review=Verdict.EXCLUDED if number % 9 == 0 else "",
        width_px=chance.choice([199, 200, 640, 641, 4000]),
        height_px=chance.choice([100, 480, 640]),
        size_bytes=chance.choice([19_999, 20_000, 6_000_000]),
        frames=chance.choice([1, 2]),
        checked_level=level,
        checked_at=timezone.now() if level else None,
        has_gps=chance.choice([None, False, True]),
        is_grayscale=chance.choice([None, False, True]),
        **{field: chance.choice([None, *LINES, chance.random()]) for field in scored},
    )


@pytest.fixture
def ana() -> User:
    ana = UserFactory.create()
    ana.user_permissions.set(Permission.objects.filter(codename="change_dataset"))
    return ana


def draw(dataset: Dataset) -> Dataset:
    numbers.draw(dataset.pk, beside={"funnels": [], "left_out": []})
    return Dataset.objects.get(pk=dataset.pk)


def test_numbers_are_those_of_the_rows(dataset: Dataset) -> None:
    counted, cells = numbers.count(dataset)
    images = list(flags.shown_images(dataset))

    assert (counted.shown, counted.excluded) == (len(images), 5)
    for column in numbers.CELL:
        assert counted.values[column] == Counter(getattr(image, column) for image in images)
    assert cells == Counter(tuple(getattr(image, column) for column in numbers.CELL) for image in images)
    assert counted.states["unchecked"] == sum(image.checked_at is None for image in images)
    assert counted.states["strict"] == sum(
        image.checked_level == "strict" or image.dark_score is not None for image in images
    )
    assert counted.states[Check.GPS] == sum(bool(image.has_gps) for image in images)
    assert counted.states[Check.ANIMATED] == sum(image.frames > 1 for image in images)
    assert sum(counted.ranges["short"]) == sum(counted.sizes.values()) == len(images)


@pytest.mark.parametrize("check", list(DEFAULT_THRESHOLDS))
def test_every_step_of_a_slider_flags_what_the_database_says(dataset: Dataset, check: Check) -> None:
    counted, images = numbers.count(dataset)[0], flags.shown_images(dataset)
    steps = (*LINES, DEFAULT_THRESHOLDS[check]) if check != Check.ODD_SIZE else (0.0, 0.1, 0.3, 1.5, 3.0, 10.0)

    found = {step: counted.flagged(check, step) for step in steps}

    assert found == {step: images.filter(flags.any_of(flags.lines(dataset, check, step))).count() for step in steps}
    assert counted.flagged(check, 0.123456) is None


def test_what_is_kept_reads_as_what_was_counted(dataset: Dataset) -> None:
    dataset = draw(dataset)
    seen = numbers.of(dataset)

    assert seen.is_kept
    assert seen.numbers == numbers.count(dataset)[0]
    assert seen.since == ""
    empty = numbers.count(DatasetFactory.create())[0]
    assert Numbers.from_json(empty.to_json()) == empty


def test_a_small_dataset_is_counted_anew_even_where_numbers_are_kept(dataset: Dataset) -> None:
    draw(dataset)
    Dataset.objects.filter(pk=dataset.pk).update(image_count=COUNTED_ANEW)
    dataset.refresh_from_db()
    ImageFactory.create(dataset=dataset, label="owl")

    seen = numbers.of(dataset)

    assert not seen.is_kept
    assert seen.numbers.values["label"]["owl"] == 1


def test_no_change_goes_unnoticed(dataset: Dataset, ana: User) -> None:
    """After any row of operations numbers of the dataset's revision are those that its rows give."""
    chance = random.Random(11)
    dataset = draw(dataset)
    noticed = 0
    for _ in range(60):
        chance.choice(OPERATIONS)(dataset, chance, ana)
        dataset.refresh_from_db()
        kept = KeptNumbers.objects.get(dataset=dataset)
        if kept.revision == dataset.revision:
            assert Numbers.from_json(kept.numbers) == numbers.count(dataset)[0]
        else:
            assert numbers.of(dataset).since
            noticed += 1
        if chance.random() < 0.4:
            dataset = draw(dataset)
            assert Numbers.from_json(KeptNumbers.objects.get(dataset=dataset).numbers) == numbers.count(dataset)[0]
    assert noticed > 10


def some(dataset: Dataset, chance: random.Random) -> list[Image]:
    images = list(Image.objects.filter(dataset=dataset).order_by("pk"))
    return chance.sample(images, min(3, len(images)))


def add(dataset: Dataset, chance: random.Random, _by: User) -> None:
    with transaction.atomic():
        add_images(dataset, [new_image(str(chance.random()))], job_id=1)


def add_what_is_there(dataset: Dataset, _chance: random.Random, _by: User) -> None:
    with transaction.atomic():
        add_images(dataset, [new_image("the same")], job_id=1)


def decide(dataset: Dataset, chance: random.Random, by: User) -> None:
    if images := some(dataset, chance):
        verdict = chance.choice(list(Verdict))
        review.decide_images(dataset, [image.pk for image in images], verdict, by=by)


def decide_all_of_a_label(dataset: Dataset, chance: random.Random, by: User) -> None:
    label = chance.choice(["robin", "wren", "tit"])
    images = flags.shown_images(dataset).filter(label=label, width_px=199)
    if images.exists():
        review.decide_matching(dataset, images, Verdict.KEPT, by=by)


def take_back(dataset: Dataset, _chance: random.Random, by: User) -> None:
    if decision := review.last_of(by, dataset):
        review.undo(decision, by=by)


def take_down(dataset: Dataset, chance: random.Random, _by: User) -> None:
    takedowns.remove_images(dataset.pk, [image.sha256 for image in some(dataset, chance)[:1]])


def empty(dataset: Dataset, chance: random.Random, _by: User) -> None:
    if chance.random() < 0.2:
        review.empty(dataset, by=UserFactory.create(is_superuser=True))


def search_for_duplicates(dataset: Dataset, chance: random.Random, _by: User) -> None:
    images = some(dataset, chance)
    scan = duplicate_scan.begin(dataset, job_id=1)
    with transaction.atomic():
        if len(images) == 3:
            duplicate_scan.add_groups(scan, [group_of(images)])
        duplicate_scan.complete(scan, image_count=len(images), last_id=max(image.pk for image in images))


def group_of(images: list[Image]) -> Group:
    keeper, *others = (image.pk for image in images)
    members = tuple(Member(id=pk, kind="near", phash_bits=3, dhash_bits=3) for pk in others)
    return Group(keeper_id=keeper, members=members, reason="Larger.")


def decide_group(dataset: Dataset, chance: random.Random, by: User) -> None:
    group = DuplicateGroup.objects.filter(scan=duplicate_scan.current(dataset)).first()
    if group:
        members = list(group.members.values_list("image_id", flat=True))
        review.decide_group(group, keep=[chance.choice(members)], by=by)


OPERATIONS: list[Callable[[Dataset, random.Random, User], None]] = [
    add, add_what_is_there, decide, decide_all_of_a_label, take_back, take_down, empty, search_for_duplicates,
    decide_group,
]  # fmt: skip


def test_facets_of_a_large_dataset_are_told_by_what_is_kept(dataset: Dataset) -> None:
    filters = [
        Filters(chosen={}),
        Filters(chosen={"label": ["robin"]}),
        Filters(chosen={"label": ["robin", "wren"], "licence": [""]}, damage=["truncated"]),
    ]
    counted = [queries.tally(dataset, wanted) for wanted in filters]
    dataset = draw(dataset)
    told = [queries.tally(dataset, wanted) for wanted in filters]

    for before, after in zip(counted, told, strict=True):
        assert (after.facets, after.damages, after.total) == (before.facets, before.damages, before.total)
        assert after.counted_at
        assert before.counted_at is None
    assert {facet.key for facet in told[0].facets} == set(FACETS)


@pytest.mark.parametrize("page", ["report", "checks"])
def test_a_page_says_what_changed_and_draws_again(dataset: Dataset, ana: User, page: str) -> None:
    dataset = draw(dataset)
    client = Client()
    client.force_login(ana)
    address = reverse(f"dataset-{page}", args=[dataset.slug])
    assert "Draw again" not in client.get(address).content.decode()

    images = list(flags.shown_images(dataset)[:2])
    review.decide_images(dataset, [image.pk for image in images], Verdict.EXCLUDED, by=ana)

    text = client.get(address).content.decode()
    assert "2 images were excluded since." in text
    assert "Draw again" in text
    preview = reverse("dataset-check-preview", args=[dataset.slug, "dark"])
    assert "images were checked or decided since." in client.get(preview).content.decode()
    assert "2 images were excluded since." in client.get(dataset.get_absolute_url()).content.decode()

    drawn = client.post(reverse("dataset-draw", args=[dataset.slug]), {"page": page}, follow=True)
    assert drawn.redirect_chain == [(address, 302)]
    assert "Draw again" not in drawn.content.decode()
    assert numbers.of(Dataset.objects.get(pk=dataset.pk)).numbers.excluded == 7


def test_who_may_not_change_the_dataset_gets_no_button(dataset: Dataset) -> None:
    draw(dataset)
    Dataset.objects.filter(pk=dataset.pk).update(revision=99)
    client = Client()
    client.force_login(UserFactory.create())

    text = client.get(reverse("dataset-report", args=[dataset.slug])).content.decode()

    assert "images were checked or decided since." in text
    assert "Draw again" not in text
