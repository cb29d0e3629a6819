"""The page of a dataset's checks, the page of a threshold, and the gallery filtered to what checks found."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from datasets.imaging.checks import CHECKS, DEFAULT_THRESHOLDS, Check
from datasets.models import Dataset, DuplicateScan, Image, ValidationLevel, Verdict
from datasets.outcomes import Reason
from datasets.tests.factories import DatasetFactory, ImageFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana() -> User:
    ana = UserFactory.create(username="ana")
    ana.user_permissions.add(Permission.objects.get(codename="add_job"))
    return ana


@pytest.fixture
def page(ana: User) -> Client:
    client = Client()
    client.force_login(ana)
    return client


@pytest.fixture
def dataset(ana: User) -> Dataset:
    return DatasetFactory.create(created_by=ana)


def checked(dataset: Dataset, level: ValidationLevel = ValidationLevel.STRICT, **values: Any) -> Image:
    scores = {info.field: 0.9 for info in CHECKS.values() if info.field.endswith("_score")}
    found = {**scores, **values} if level == ValidationLevel.STRICT else values
    return ImageFactory.create(dataset=dataset, checked_at=timezone.now(), checked_level=level, **found)


def words(html: str) -> str:
    """The text of a page, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def checks_page(page: Client, dataset: Dataset) -> str:
    return page.get(reverse("dataset-checks", args=[dataset.slug])).content.decode()


def state(html: str, title: str) -> str:
    """What the row of a check says of its state."""
    found = re.search(rf"<strong>{title}</strong>\s*<span class=\"badge[^\"]*\">([^<]+)</span>", html)
    assert found, title
    return found[1]


def test_an_empty_dataset_has_nothing_to_check(page: Client, dataset: Dataset) -> None:
    assert "No image to check" in checks_page(page, dataset)


def test_images_that_nobody_checked_come_with_a_button(page: Client, dataset: Dataset) -> None:
    ImageFactory.create(dataset=dataset)

    html = checks_page(page, dataset)

    assert "No image has been checked yet." in html
    assert f'action="{reverse("dataset-validate", args=[dataset.slug])}"' in html
    assert {state(html, title) for title in ("File is there", "Decodes", "Near-duplicates", "Dark")} == {"not run yet"}
    assert "A strict check looks at it." in words(html)
    assert state(html, "Odd size") == "OK"


def test_a_level_that_does_not_look_at_quality_says_which_one_does(page: Client, dataset: Dataset) -> None:
    checked(dataset, ValidationLevel.BASIC)
    standard = checks_page(page, dataset)
    assert [state(standard, title) for title in ("Checksum", "Decodes")] == ["OK", "not run yet"]
    assert "A standard check looks at it." in words(standard)

    checked(dataset, ValidationLevel.STANDARD)
    html = checks_page(page, dataset)
    assert [state(html, title) for title in ("Checksum", "Decodes", "Dark")] == ["OK", "OK", "not run yet"]
    assert "Looked at 1 of 2 images." in words(html)


def test_a_sound_dataset_is_told_so(page: Client, dataset: Dataset) -> None:
    checked(dataset)
    DuplicateScan.objects.create(dataset=dataset, job_id=1, max_bits=10, image_count=1, completed_at=timezone.now())

    html = checks_page(page, dataset)

    assert "Every check has looked at every image, and found nothing." in html
    assert "not run yet" not in html


@pytest.mark.parametrize(
    ("values", "title", "query"),
    [
        ({"damage": "blob_missing"}, "File is there", "damage=blob_missing"),
        ({"damage": "checksum_mismatch"}, "Checksum", "damage=checksum_mismatch"),
        ({"damage": "size_mismatch"}, "File size", "damage=size_mismatch"),
        ({"damage": "format_mismatch"}, "Format", "damage=format_mismatch"),
        ({"damage": "dimensions_mismatch"}, "Dimensions", "damage=dimensions_mismatch"),
        ({"damage": "truncated"}, "Decodes", "damage=truncated"),
        ({"blurry_score": 0.2}, "Blurry", "flag=blurry"),
        ({"frames": 2}, "Animated", "flag=animated"),
        ({"has_gps": True}, "GPS position", "flag=gps"),
        ({"has_personal_data": True}, "Personal data", "flag=personal_data"),
        ({"near_distance_bits": 3}, "Near-duplicates", "alike=1"),
    ],
)
def test_what_a_check_found_leads_to_the_gallery_filtered_to_it(
    page: Client, dataset: Dataset, values: dict[str, Any], title: str, query: str
) -> None:
    sound = checked(dataset)
    if "near_distance_bits" in values:
        values = {**values, "near_duplicate_of": sound}
    found = checked(dataset, **values)
    checked(dataset, **values, review=Verdict.EXCLUDED)

    html = checks_page(page, dataset)

    assert state(html, title) == "1 found"
    assert f'href="{dataset.get_absolute_url()}?{query}"' in html
    gallery = page.get(f"{dataset.get_absolute_url()}?{query}")
    assert list(gallery.context["images"]) == [found]
    assert len(gallery.context["chips"]) == 1


def test_files_that_do_not_decode_are_told_by_reason(page: Client, dataset: Dataset) -> None:
    for damage in ("truncated", "corrupt", "truncated"):
        checked(dataset, damage=damage)

    html = checks_page(page, dataset)

    assert state(html, "Decodes") == "3 found"
    assert "2 truncated , 1 corrupt" in words(html)


def test_damaged_files_are_listed_and_can_be_fetched_again(page: Client, dataset: Dataset) -> None:
    damaged = [checked(dataset, damage=Reason.TRUNCATED) for _ in range(22)]

    html = checks_page(page, dataset)

    assert "Fetch all 22 again" in words(html)
    assert html.count("Fetch again<") == 20
    assert f'name="image" value="{damaged[-1].pk}"' in html
    assert damaged[-1].url in html
    assert "2 more in the gallery" in html


def test_who_may_not_start_jobs_gets_no_buttons(dataset: Dataset) -> None:
    image = checked(dataset, damage=Reason.TRUNCATED)
    visitor = Client()
    visitor.force_login(UserFactory.create())

    assert "Fetch" not in words(checks_page(visitor, dataset)).replace("Fetching", "")
    assert "Fetch again" not in visitor.get(image.get_absolute_url()).content.decode()


def test_an_image_tells_what_checks_found(page: Client, dataset: Dataset) -> None:
    image = checked(dataset, dark_score=0.1234, has_gps=True, damage=Reason.CHECKSUM_MISMATCH)

    text = words(page.get(image.get_absolute_url()).content.decode())

    assert "Dark flagged 0.123, below 0.32" in text
    assert "GPS position flagged has it" in text
    assert "Light 0.900" in text
    assert "The stored file is damaged: checksum mismatch." in text
    assert "Fetch again" in text


def test_a_missing_file_is_a_grey_tile_and_never_a_broken_picture(page: Client, dataset: Dataset) -> None:
    image = checked(dataset, damage=Reason.BLOB_MISSING)

    for address in (dataset.get_absolute_url(), image.get_absolute_url()):
        html = page.get(address).content.decode()
        assert "The file is missing." in html
        assert reverse("image-thumb", args=[dataset.slug, image.pk]) not in html


def test_the_gallery_hides_what_is_excluded_until_asked(page: Client, dataset: Dataset) -> None:
    shown, excluded = checked(dataset), checked(dataset, review=Verdict.EXCLUDED)
    kept = checked(dataset, review=Verdict.KEPT)
    Dataset.objects.filter(pk=dataset.pk).update(image_count=3)
    address = dataset.get_absolute_url()

    assert list(page.get(address).context["images"]) == [kept, shown]
    assert page.get(address).context["tally"].total == 2
    assert list(page.get(address, {"review": "excluded"}).context["images"]) == [excluded]
    assert list(page.get(address, {"review": "kept"}).context["images"]) == [kept]
    assert list(page.get(address, {"review": ["kept", "excluded"]}).context["images"]) == [kept, excluded]
    assert ">excluded</span>" in page.get(address, {"review": "excluded"}).content.decode()


@pytest.mark.parametrize("query", ["flag=x", "damage=x", "damage=%00", "review=x", "flag=&damage=&review="])
def test_a_filter_that_there_is_not_filters_nothing(page: Client, dataset: Dataset, query: str) -> None:
    checked(dataset)

    assert page.get(f"{dataset.get_absolute_url()}?{query}").context["filters"].count == 0


def test_filters_of_checks_come_together_with_the_others(page: Client, dataset: Dataset) -> None:
    wanted = checked(dataset, label="robin", dark_score=0.1)
    checked(dataset, label="tit", dark_score=0.1)
    checked(dataset, label="robin")

    response = page.get(dataset.get_absolute_url(), {"flag": "dark", "label": "robin"})

    assert list(response.context["images"]) == [wanted]
    assert [words for words, _ in response.context["chips"]] == ["robin", "Dark"]
    assert page.get(dataset.get_absolute_url(), {"flag": "dark"}).context["tally"].damages == []
    labels = next(facet for facet in response.context["tally"].facets if facet.key == "label")
    assert {(value.value, value.count) for value in labels.values} == {("robin", 1), ("tit", 1)}


def threshold_page(dataset: Dataset, check: str = "dark", view: str = "dataset-check") -> str:
    return reverse(view, args=[dataset.slug, check])


@pytest.mark.parametrize("check", [check.value for check in DEFAULT_THRESHOLDS])
def test_every_threshold_has_a_page_also_without_scores(page: Client, dataset: Dataset, check: str) -> None:
    assert page.get(threshold_page(dataset, check)).status_code == 200
    checked(dataset)
    assert '<svg class="hist"' in page.get(threshold_page(dataset, check)).content.decode()


@pytest.mark.parametrize("check", ["grayscale", "nonsense"])
def test_what_has_no_threshold_has_no_page(page: Client, dataset: Dataset, check: str) -> None:
    assert page.get(threshold_page(dataset, check)).status_code == 404


def test_a_threshold_is_tried_out_before_it_counts(page: Client, dataset: Dataset) -> None:
    checked(dataset, dark_score=0.35)
    checked(dataset, dark_score=0.7)

    for view in ("dataset-check", "dataset-check-preview"):
        html = page.get(threshold_page(dataset, view=view), {"threshold": "0.4"}).content.decode()
        assert "Below 0.4 it would flag 1 of 2 images." in words(html)
        assert 'name="threshold" value="0.4"' in html
    assert state(checks_page(page, dataset), "Dark") == "OK"

    page.post(threshold_page(dataset), {"threshold": "0.4"})
    assert state(checks_page(page, dataset), "Dark") == "1 found"
    assert "Flags below 0.4." in words(checks_page(page, dataset))

    saved = page.post(threshold_page(dataset), {"threshold": "0.4", "default": "1"}, follow=True).content.decode()
    assert "Dark flags from its default again, 0.32." in saved
    assert state(checks_page(page, dataset), "Dark") == "OK"


def test_a_threshold_out_of_range_is_refused_in_words(page: Client, dataset: Dataset) -> None:
    answer = page.post(threshold_page(dataset), {"threshold": "1.5"}, follow=True).content.decode()

    assert "Not saved: a threshold of Dark lies from 0 to 1." in answer
    dataset.refresh_from_db()
    assert dataset.quality_thresholds == {}


def test_only_its_maker_and_operators_move_a_threshold(dataset: Dataset) -> None:
    somebody, visitor = UserFactory.create(), Client()
    visitor.force_login(somebody)
    assert "may save a threshold" in visitor.get(threshold_page(dataset)).content.decode()
    assert visitor.post(threshold_page(dataset), {"threshold": "0.4"}).status_code == 403

    somebody.user_permissions.add(Permission.objects.get(codename="change_dataset"))
    assert visitor.post(threshold_page(dataset), {"threshold": "0.4"}).status_code == 302
    dataset.refresh_from_db()
    assert dataset.quality_thresholds == {Check.DARK.value: 0.4}
