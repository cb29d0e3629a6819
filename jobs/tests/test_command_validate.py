"""manage.py validate and repair."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from datasets.tests.factories import DatasetFactory, ImageFactory
from jobs.models import Job

pytestmark = pytest.mark.django_db


def _run(*arguments: str) -> tuple[str, str]:
    output, errors = io.StringIO(), io.StringIO()
    call_command(*arguments, stdout=output, stderr=errors)
    return output.getvalue(), errors.getvalue()


def test_a_validation_is_submitted_with_its_level() -> None:
    image = ImageFactory.create(dataset__name="birds")

    output, errors = _run("validate", "birds", "--level", "strict", "--json")

    job = Job.objects.get()
    assert (job.dataset, job.spec["level"], job.created_by) == (image.dataset, "strict", None)
    assert json.loads(output)["job"] == job.pk
    assert "no worker is running" in errors


def test_a_repair_is_submitted_for_one_image() -> None:
    image = ImageFactory.create(dataset__name="birds", damage="blob_missing")
    ImageFactory.create(dataset=image.dataset, damage="blob_missing")

    output, _ = _run("repair", "birds", "--image", str(image.pk))

    job = Job.objects.get()
    assert (job.kind, job.wanted) == ("repair", 1)
    assert f"Job {job.pk} is submitted" in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["validate", "nowhere"], "There is no dataset “nowhere”. The newest are “empty”."),
        (["validate", "empty"], "has no images to look at"),
        (["validate", "empty", "--level", "deep"], "There is no level “deep”"),
        (["repair", "nowhere"], "There is no dataset “nowhere”"),
        (["repair", "empty"], "Nothing there is damaged"),
    ],
)
def test_what_cannot_be_done_is_told_and_exits_with_2(arguments: list[str], words: str) -> None:
    DatasetFactory.create(name="empty")

    with pytest.raises(CommandError, match=words) as refused:
        _run(*arguments)

    assert refused.value.returncode == 2
    assert not Job.objects.exists()
