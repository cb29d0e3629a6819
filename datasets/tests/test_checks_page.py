"""The Checks page: what validations found, in each state of a dataset."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from datasets.models import Dataset, ValidationLevel
from datasets.tests.factories import DatasetFactory, ImageFactory, UserFactory

pytestmark = pytest.mark.django_db


def shown(dataset: Dataset, *, operator: bool = True) -> str:
    user = UserFactory.create()
    if operator:
        user.user_permissions.add(Permission.objects.get(codename="add_job"))
    client = Client()
    client.force_login(user)
    return client.get(reverse("dataset-checks", args=[dataset.slug])).content.decode()


def test_each_state_is_told() -> None:
    dataset = DatasetFactory.create()
    assert "holds no image yet" in shown(dataset)

    image = ImageFactory.create(dataset=dataset)
    Dataset.objects.update(image_count=1)
    assert "Not checked yet" in shown(dataset)

    image.checked_at, image.checked_level = timezone.now(), ValidationLevel.STANDARD
    image.save(update_fields=["checked_at", "checked_level"])
    assert "No file that was looked at is damaged or missing." in shown(dataset)


def test_damaged_images_are_listed_with_a_button_that_fetches_them_again() -> None:
    image = ImageFactory.create(damage="checksum_mismatch", dataset__image_count=1)

    text = shown(image.dataset)

    assert "1 checksum_mismatch" in text
    assert f'id="repair-{image.pk}"' in text
    assert "Fetch all 1 again" in text
    assert "repair-" not in shown(image.dataset, operator=False)
