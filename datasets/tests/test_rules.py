"""The rules of a dataset: who sees them, and who changes them."""

from typing import cast

import pytest
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from datasets.models import Dataset
from datasets.tests.factories import DatasetFactory, ImageFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana() -> User:
    return UserFactory.create(username="ana")


@pytest.fixture
def page(ana: User) -> Client:
    client = Client()
    client.force_login(ana)
    return client


def switches(dataset: Dataset) -> tuple[bool, bool, bool, bool]:
    dataset.refresh_from_db()
    return dataset.obey_robots_txt, dataset.obey_robots_tag, dataset.obey_tdm_reservation, dataset.obey_embedded


def send(page: Client, dataset: Dataset, **values: str) -> HttpResponse:
    """Posts the form as it stands with the defaults of a new dataset, every switch off."""
    form = {"near_duplicate_bits": "10", "validate_after_crawl": "", **values}
    return cast(HttpResponse, page.post(reverse("dataset-rules", args=[dataset.slug]), form, follow=True))


def test_a_new_dataset_obeys_every_opt_out() -> None:
    assert switches(DatasetFactory.create()) == (True, True, True, True)


def test_who_made_a_dataset_changes_its_rules_and_nothing_else(page: Client, ana: User) -> None:
    dataset = DatasetFactory.create(created_by=ana, image_count=7)

    response = send(page, dataset, obey_robots_tag="on", image_count="0")

    assert "Saved." in response.content.decode()
    assert switches(dataset) == (False, True, False, False)
    assert dataset.image_count == 7


def test_operators_change_the_rules_of_all(page: Client, ana: User) -> None:
    ana.user_permissions.add(Permission.objects.get(codename="change_dataset"))
    dataset = DatasetFactory.create()

    send(page, dataset)

    assert switches(dataset) == (False, False, False, False)


def test_others_only_look(page: Client) -> None:
    dataset = DatasetFactory.create(obey_embedded=False)

    shown = page.get(reverse("dataset-rules", args=[dataset.slug])).content.decode()
    refused = send(page, dataset)

    assert "disabled" in shown
    assert shown.count(" checked") == 3
    assert "Save</button>" not in shown
    assert (refused.status_code, switches(dataset)) == (403, (True, True, True, False))


def test_how_images_are_checked_is_a_rule_too(page: Client, ana: User) -> None:
    dataset = DatasetFactory.create(created_by=ana)

    send(page, dataset, near_duplicate_bits="6", match_turned="on", validate_after_crawl="strict")

    dataset.refresh_from_db()
    assert (dataset.near_duplicate_bits, dataset.match_turned, dataset.validate_after_crawl) == (6, True, "strict")
    shown = page.get(reverse("dataset-rules", args=[dataset.slug])).content.decode()
    assert '<option value="strict" selected>' in shown
    assert 'value="6"' in shown


@pytest.mark.parametrize(("field", "value"), [("near_duplicate_bits", "33"), ("validate_after_crawl", "thorough")])
def test_a_rule_that_makes_no_sense_is_refused_and_nothing_is_saved(
    page: Client, ana: User, field: str, value: str
) -> None:
    dataset = DatasetFactory.create(created_by=ana)

    response = send(page, dataset, **{field: value})

    assert response.status_code == 422
    assert 'aria-invalid="true"' in response.content.decode()
    assert f'id="id_{field}-e"' in response.content.decode()
    assert switches(dataset) == (True, True, True, True)
    assert (dataset.near_duplicate_bits, dataset.validate_after_crawl) == (10, "")


def test_a_gallery_leads_to_the_rules(page: Client) -> None:
    dataset = DatasetFactory.create()

    gallery = page.get(dataset.get_absolute_url()).content.decode()

    assert f'href="{reverse("dataset-rules", args=[dataset.slug])}"' in gallery


def test_operators_change_the_rules_in_the_admin_too() -> None:
    browser = Client()
    browser.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    dataset = DatasetFactory.create()

    browser.post(
        reverse("admin:datasets_dataset_change", args=[dataset.pk]), {"name": dataset.name, "obey_robots_txt": "on"}
    )

    assert switches(dataset) == (True, False, False, False)


def test_an_image_shows_what_was_said_of_machine_use(page: Client) -> None:
    image = ImageFactory.create(
        optout_evidence={
            "checked_at": "2026-11-23T18:00:00Z",
            "robots_txt": {"obeyed": True, "said": "allows (read 2026-11-23T17:00:00Z)"},
            "robots_tag": {"obeyed": True, "said": ""},
            "tdm_reservation": {"obeyed": False, "said": "<b>1</b>"},
            "embedded": {"obeyed": True, "said": "plus:DataMining DMI-ALLOWED"},
        }
    )

    shown = page.get(image.get_absolute_url()).content.decode()

    assert "What was said on 2026-11-23" in shown
    assert "allows (read 2026-11-23T17:00:00Z)" in shown
    assert "<dt>X-Robots-Tag</dt><dd>says nothing</dd>" in shown
    assert "&lt;b&gt;1&lt;/b&gt; (switched off for this dataset)" in shown
    assert "plus:DataMining DMI-ALLOWED" in shown


def test_an_image_that_no_site_was_asked_for_shows_nothing_of_the_kind(page: Client) -> None:
    assert "Machine use" not in page.get(ImageFactory.create().get_absolute_url()).content.decode()
