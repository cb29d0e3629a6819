"""Images move to another label, and back."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from datasets import relabel, review
from datasets.access import NotAllowed
from datasets.audit_models import AuditEntry
from datasets.decisions import InvalidDecision
from datasets.duplicate_scan import add_groups, begin, complete
from datasets.grouping import Group, Member
from datasets.models import Dataset, Decision, Image
from datasets.tests.factories import DatasetFactory, ImageFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset() -> Dataset:
    dataset = DatasetFactory.create(slug="birds", created_by=User.objects.create_superuser("ana"))
    ImageFactory.create_batch(3, dataset=dataset, label="robin")
    ImageFactory.create_batch(2, dataset=dataset, label="wren")
    return dataset


@pytest.fixture
def page(client: Client, dataset: Dataset) -> Client:
    assert dataset.created_by
    client.force_login(dataset.created_by)
    return client


def labels(dataset: Dataset) -> list[str]:
    return list(dataset.images.order_by("pk").values_list("label", flat=True))


def of(dataset: Dataset, label: str) -> list[int]:
    return list(dataset.images.filter(label=label).order_by("pk").values_list("pk", flat=True))


def test_ticked_images_move_are_noted_and_come_back(page: Client, dataset: Dataset) -> None:
    first, second, _ = of(dataset, "robin")
    address = "/datasets/birds/images/bulk/"

    answer = page.post(address, {"do": "move", "label": " house  finch ", "image": [first, second]}, follow=True)
    assert labels(dataset) == ["house finch", "house finch", "robin", "wren", "wren"]
    assert "Moved 2 images to house finch" in answer.content.decode()
    assert AuditEntry.objects.get().words == "Moved 2 images to house finch"

    page.post("/datasets/birds/images/undo/")
    assert labels(dataset) == ["robin"] * 3 + ["wren"] * 2


def test_all_that_match_move_and_those_that_are_there_stay(page: Client, dataset: Dataset) -> None:
    page.post("/datasets/birds/images/bulk/?label=wren", {"do": "move", "label": "robin", "all": "1"})
    assert labels(dataset) == ["robin"] * 5
    assert dataset.decisions.get().moves.count() == 2


def test_moves_that_follow_each_other_come_back_in_any_order(dataset: Dataset) -> None:
    by = dataset.created_by
    image = Image.objects.filter(pk=of(dataset, "robin")[0])
    first = relabel.move(dataset, image, "a", by=by)
    second = relabel.move(dataset, image, "b", by=by)

    review.undo(first, by=by)
    assert image.get().label == "b"
    review.undo(second, by=by)
    assert image.get().label == "robin"


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("  ", "write the label"),
        ("x" * 201, "at most 200"),
        ("a\x07b", "printable"),
        ("robin", "labelled robin already"),
    ],
)
def test_what_cannot_be_moved_says_why_and_changes_nothing(dataset: Dataset, label: str, told: str) -> None:
    with pytest.raises(InvalidDecision, match=told):
        relabel.move(dataset, dataset.images.filter(label="robin"), label, by=dataset.created_by)
    assert not dataset.decisions.exists()


def test_nothing_moves_without_a_tick_or_the_right(page: Client, dataset: Dataset) -> None:
    answer = page.post("/datasets/birds/images/bulk/", {"do": "move", "label": "crow"}, follow=True)
    assert "No image is selected" in answer.content.decode()
    with pytest.raises(NotAllowed):
        relabel.move(dataset, dataset.images.all(), "crow", by=UserFactory.create())
    other = ImageFactory.create(label="crow", dataset=DatasetFactory.create())
    with pytest.raises(InvalidDecision):
        relabel.move(dataset, Image.objects.filter(pk=other.pk), "robin", by=dataset.created_by)


def test_one_image_moves_from_its_page(page: Client, dataset: Dataset) -> None:
    (first, *_) = of(dataset, "wren")
    answer = page.post(f"/datasets/birds/images/{first}/decide/", {"do": "move", "label": "dipper"}, follow=True)
    assert "Moved 1 image to dipper" in answer.content.decode()
    assert Image.objects.get(pk=first).label == "dipper"


@pytest.mark.parametrize("form", [{}, {"do": "burn"}])
def test_what_no_button_asks_for_changes_nothing(page: Client, dataset: Dataset, form: dict[str, str]) -> None:
    (first, *_) = of(dataset, "wren")
    for address in (f"/datasets/birds/images/{first}/decide/", "/datasets/birds/images/bulk/"):
        answer = page.post(address, {**form, "image": first}, follow=True)
        assert "Nothing was changed" in answer.content.decode()
    assert not Decision.objects.exists()


def test_groups_know_whether_their_images_differ_in_label(dataset: Dataset) -> None:
    keeper, other, _ = of(dataset, "robin")
    scan = begin(dataset, job_id=1)
    member = Member(id=other, kind="near", phash_bits=3, dhash_bits=4)
    add_groups(scan, [Group(keeper_id=keeper, members=(member,), reason="more pixels: 9 against 4")])
    complete(scan, image_count=5, last_id=10**9)

    moved = relabel.move(dataset, Image.objects.filter(pk=other), "crow", by=dataset.created_by)
    assert scan.groups.get().differs_in_label
    review.undo(moved, by=dataset.created_by)
    assert not scan.groups.get().differs_in_label
