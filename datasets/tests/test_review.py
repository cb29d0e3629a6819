"""Decisions about look-alikes: each is a row, can be taken back, and settles its group."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from datasets import blobs, relabel, review
from datasets.decisions import InvalidDecision
from datasets.duplicate_scan import add_groups, begin, complete
from datasets.grouping import Group, Member
from datasets.models import Dataset, Decision, DuplicateGroup, DuplicateScan, Image, Verdict
from datasets.review import GroupFilter, Standing
from datasets.tests.factories import DatasetFactory, ImageFactory, UserFactory
from datasets.tests.people import operator

pytestmark = pytest.mark.django_db

KEPT, EXCLUDED, NONE = Verdict.KEPT.value, Verdict.EXCLUDED.value, ""


@pytest.fixture
def dataset() -> Dataset:
    return DatasetFactory.create(
        name="Birds", slug="birds", image_count=9, size_bytes=9_000, created_by=UserFactory.create()
    )


@pytest.fixture
def scan(dataset: Dataset) -> DuplicateScan:
    """Three groups: of three robins, of two robins, of a robin and a wren; the first image of each is suggested."""
    images = [ImageFactory.create(dataset=dataset, label="robin", source="openverse") for _ in range(6)]
    images.append(ImageFactory.create(dataset=dataset, label="wren", source="urls"))
    ImageFactory.create_batch(2, dataset=dataset)
    found = begin(dataset, job_id=1)
    add_groups(found, [_group(images[:3]), _group(images[3:5]), _group(images[5:7])])
    complete(found, image_count=9, last_id=10**9)
    current = review.current_scan(dataset)
    assert current == found
    return found


def _group(images: list[Image]) -> Group:
    keeper, *others = images
    members = tuple(Member(id=image.pk, kind="near", phash_bits=3, dhash_bits=4) for image in others)
    return Group(keeper_id=keeper.pk, members=members, reason="more pixels: 9 against 4")


def group(scan: DuplicateScan, position: int) -> DuplicateGroup:
    return scan.groups.get(position=position)


def members(scan: DuplicateScan, position: int) -> list[int]:
    return list(group(scan, position).members.order_by("pk").values_list("image_id", flat=True))


def verdicts(scan: DuplicateScan, position: int) -> list[str]:
    return [Image.objects.get(pk=pk).review for pk in members(scan, position)]


def decided(scan: DuplicateScan) -> list[bool]:
    return [found.decided_at is not None for found in scan.groups.order_by("position")]


def test_a_decision_says_who_and_when_and_settles_the_group(scan: DuplicateScan) -> None:
    ana = operator()

    decision = review.decide_group(group(scan, 1), keep=[members(scan, 1)[0]], by=ana)

    assert (decision.made_by, decision.words) == (ana, "Group 1: kept 1, excluded 2")
    assert decision.made_at is not None
    assert verdicts(scan, 1) == [KEPT, EXCLUDED, EXCLUDED]
    assert decided(scan) == [True, False, False]


def test_images_of_other_groups_are_not_touched(scan: DuplicateScan) -> None:
    foreign = members(scan, 2)[0]
    with pytest.raises(InvalidDecision, match="Keep at least one"):
        review.decide_group(group(scan, 1), keep=[foreign], by=None)
    assert not Decision.objects.exists()
    assert verdicts(scan, 2) == [NONE, NONE]


def test_what_stood_before_stands_again_after_an_undo(scan: DuplicateScan) -> None:
    first, second, third = members(scan, 1)
    earlier = review.decide_group(group(scan, 1), keep=[first], by=None)
    later = review.decide_group(group(scan, 1), keep=[second, third], by=None)
    assert verdicts(scan, 1) == [EXCLUDED, KEPT, KEPT]

    review.undo(later, by=None)
    assert verdicts(scan, 1) == [KEPT, EXCLUDED, EXCLUDED]
    assert decided(scan)[0]

    review.undo(earlier, by=None)
    assert verdicts(scan, 1) == [NONE, NONE, NONE]
    assert not decided(scan)[0]
    with pytest.raises(InvalidDecision, match="already"):
        review.undo(earlier, by=None)


def test_an_older_decision_can_be_taken_back_while_a_later_one_stands(scan: DuplicateScan) -> None:
    first, second, third = members(scan, 1)
    earlier = review.decide_group(group(scan, 1), keep=[first], by=None)
    review.decide_images(scan.dataset, [second], Verdict.KEPT, by=None)

    review.undo(earlier, by=None)

    assert verdicts(scan, 1) == [NONE, KEPT, NONE]
    assert third not in Image.objects.exclude(review="").values_list("pk", flat=True)
    assert not decided(scan)[0]


def test_all_suggestions_at_once_leave_groups_of_two_labels_to_the_eye(scan: DuplicateScan) -> None:
    decision = review.take_suggestions(scan, by=None)

    assert decision.words == "Took the suggestion in 2 groups"
    assert (verdicts(scan, 1), verdicts(scan, 2)) == ([KEPT, EXCLUDED, EXCLUDED], [KEPT, EXCLUDED])
    assert verdicts(scan, 3) == [NONE, NONE]
    assert decided(scan) == [True, True, False]
    with pytest.raises(InvalidDecision, match="decide the others by eye"):
        review.take_suggestions(scan, by=None)

    review.undo(decision, by=None)
    assert decided(scan) == [False, False, False]
    assert not Image.objects.exclude(review="").exists()


def test_a_new_search_knows_what_was_decided(scan: DuplicateScan, dataset: Dataset) -> None:
    review.decide_group(group(scan, 2), keep=members(scan, 2), by=None)
    images = list(Image.objects.filter(pk__in=members(scan, 2)).order_by("pk"))

    again = begin(dataset, job_id=2)
    add_groups(again, [_group(images)])
    complete(again, image_count=9, last_id=10**9)

    assert decided(again) == [True]
    assert review.current_scan(dataset) == again


def test_emptying_removes_excluded_images_and_files_that_no_other_dataset_has(scan: DuplicateScan) -> None:
    gone, shared = (Image.objects.get(pk=pk) for pk in members(scan, 1)[1:])
    ImageFactory.create(sha256=shared.sha256)
    for image in (gone, shared):
        for name in (image.blob_name, image.thumb_name):
            storages["default"].save(name, ContentFile(b"bytes"))
    review.decide_group(group(scan, 1), keep=[members(scan, 1)[0]], by=None)

    assert review.empty(scan.dataset, by=None) == 2

    assert not Image.objects.filter(pk__in=[gone.pk, shared.pk]).exists()
    assert [blobs.exists(image.blob_name) for image in (gone, shared)] == [False, True]
    assert Dataset.objects.get(pk=scan.dataset_id).image_count == 7


# The pages


@pytest.fixture
def page(dataset: Dataset) -> Client:
    client = Client()
    assert dataset.created_by is not None
    client.force_login(dataset.created_by)
    return client


def address(name: str, *arguments: object) -> str:
    return reverse(name, args=["birds", *arguments])


def test_the_first_undecided_group_is_shown_with_the_suggestion_ticked(page: Client, scan: DuplicateScan) -> None:
    response = page.get(address("dataset-duplicates"), follow=True)

    assert response.redirect_chain == [(address("duplicate-group", 1), 302)]
    text = response.content.decode()
    assert "Group 1 of 3" in text
    assert "more pixels: 9 against 4" in text
    assert [choice.is_ticked for choice in response.context["choices"]] == [True, False, False]
    assert "differ in label: decide by eye" in text


def test_a_decision_goes_on_to_the_next_group_and_the_last_one_to_the_end(page: Client, scan: DuplicateScan) -> None:
    for position, following in ((1, 2), (2, 3)):
        response = page.post(address("duplicate-decide", position), {"keep": members(scan, position)[0]})
        assert response["Location"] == address("duplicate-group", following)

    response = page.post(address("duplicate-decide", 3), {"all": "1"}, follow=True)

    assert verdicts(scan, 3) == [KEPT, KEPT]
    assert "All 3 groups are decided" in response.content.decode()
    assert "3 images excluded" in response.content.decode()


def test_nothing_ticked_is_refused_in_words(page: Client, scan: DuplicateScan) -> None:
    response = page.post(address("duplicate-decide", 1), follow=True)
    assert "Keep at least one image of the group" in response.content.decode()
    assert not decided(scan)[0]


def test_undo_takes_back_ones_own_last_decision_and_shows_the_group(page: Client, scan: DuplicateScan) -> None:
    page.post(address("duplicate-decide", 1), {"all": "1"})
    review.decide_group(group(scan, 2), keep=members(scan, 2), by=operator())

    response = page.post(address("duplicate-undo"), follow=True)

    assert decided(scan) == [False, True, False]
    assert "Taken back: Group 1: kept 3, excluded 0." in response.content.decode()
    assert response.redirect_chain[-1][0] == address("duplicate-group", 1)


def test_a_decision_of_somebody_else_can_be_taken_back_by_name(page: Client, scan: DuplicateScan) -> None:
    decision = review.decide_group(group(scan, 2), keep=members(scan, 2), by=operator())

    page.post(address("duplicate-undo"), {"decision": decision.pk})

    assert decided(scan) == [False, False, False]
    decision.refresh_from_db()
    assert decision.undone_by == scan.dataset.created_by


def test_groups_are_filtered_by_label_and_source(page: Client, scan: DuplicateScan) -> None:
    response = page.get(address("dataset-duplicates"), {"label": "wren"}, follow=True)
    assert response.redirect_chain[-1][0] == address("duplicate-group", 3) + "?label=wren"
    assert "Group 1 of 1" in response.content.decode()

    response = page.get(address("dataset-duplicates"), {"source": "nowhere"})
    assert "No group matches" in response.content.decode()


def test_a_group_is_found_by_the_label_that_its_images_were_moved_to(page: Client, scan: DuplicateScan) -> None:
    moved = Image.objects.filter(pk=members(scan, 2)[1])
    decision = relabel.move(scan.dataset, moved, "sparrow", by=None)
    assert page.get(address("dataset-duplicates"), {"label": "sparrow"})["Location"].startswith(
        address("duplicate-group", 2)
    )

    review.undo(decision, by=None)
    assert "No group matches" in page.get(address("dataset-duplicates"), {"label": "sparrow"}).content.decode()


@pytest.mark.parametrize(
    ("position", "told"),
    [
        (1, Standing(place=1, total=3, decided=1, before=None, first=3)),
        (2, Standing(place=2, total=3, decided=1, before=1, first=1)),
        (3, Standing(place=3, total=3, decided=1, before=2, first=1)),
    ],
)
def test_a_group_stands_among_others_by_one_query(scan: DuplicateScan, position: int, told: Standing) -> None:
    review.decide_group(group(scan, 2), keep=members(scan, 2), by=None)

    with CaptureQueriesContext(connection) as seen:
        assert review.standing(scan, position, GroupFilter(label="robin", source="openverse")) == told

    assert len(seen) == 1
    # What groups are found by is told of their members: images have wide rows, and there may be a million.
    assert Image._meta.db_table not in seen[0]["sql"]


@pytest.mark.parametrize(("position", "place", "total", "before"), [(1, 1, 5, None), (5, 4, 5, 4), (10, 4, 4, 9)])
def test_of_many_groups_those_around_one_are_counted(
    scan: DuplicateScan, monkeypatch: pytest.MonkeyPatch, position: int, place: int, total: int, before: int | None
) -> None:
    monkeypatch.setattr(review, "EXACT_UP_TO", 2)
    add_groups(scan, [_group(ImageFactory.create_batch(2, dataset=scan.dataset)) for _ in range(7)])

    found = review.standing(scan, position, GroupFilter())

    assert (found.place, found.total, found.before) == (place, total, before)


def test_all_suggestions_are_taken_by_one_button(page: Client, scan: DuplicateScan) -> None:
    response = page.post(address("duplicate-bulk"), follow=True)
    assert "Took the suggestion in 2 groups" in response.content.decode()
    assert decided(scan) == [True, True, False]


def test_excluded_images_are_emptied_by_one_button(page: Client, scan: DuplicateScan) -> None:
    review.take_suggestions(scan, by=None)
    response = page.post(address("duplicate-empty"), follow=True)
    assert "3 excluded images were removed for good." in response.content.decode()


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda _dataset: None, "Not searched yet"),
        (lambda dataset: complete(begin(dataset, job_id=1), image_count=4, last_id=9), "No duplicates"),
    ],
)
def test_without_groups_the_page_says_why(
    page: Client, dataset: Dataset, prepare: Callable[[Dataset], None], words: str
) -> None:
    prepare(dataset)
    assert words in page.get(address("dataset-duplicates")).content.decode()
    assert page.get(address("duplicate-group", 1)).status_code == 404
    assert page.post(address("duplicate-bulk"), follow=True).status_code == 200


def test_who_may_not_change_the_dataset_may_look_and_no_more(scan: DuplicateScan) -> None:
    guest = Client()
    guest.force_login(User.objects.create_user("guest"))

    text = guest.get(address("duplicate-group", 1)).content.decode()
    assert "Who made the dataset, and operators, may decide." in text
    assert 'id="decide"' not in text
    for name in ("duplicate-undo", "duplicate-bulk", "duplicate-empty"):
        assert guest.post(address(name)).status_code == 403
    assert guest.post(address("duplicate-decide", 1), {"all": "1"}).status_code == 403
    assert decided(scan) == [False, False, False]
