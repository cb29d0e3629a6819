"""Two sources list the same picture: it is kept once, the first is credited, the second is a duplicate."""

import json
import subprocess
import sys

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command

from datasets.models import Image
from datasets.tests.pictures import encoded, noisy
from jobs.models import Finding, Job
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.photoweb import PhotoWeb

pytestmark = pytest.mark.django_db(transaction=True)


def listed_by_both(web: PhotoWeb) -> tuple[str, str]:
    """The same bytes under two addresses: one that Openverse lists, one for a list of addresses."""
    body = encoded(noisy(90, 80, seed=1))
    first = web.add_photo("/openverse.jpg", body, words="robin")
    second = web.url("/mine.jpg")
    web.pages["/mine.jpg"] = lambda _: (200, {"Content-Type": "image/jpeg"}, body)
    return first, second


def test_the_command_keeps_it_once_and_credits_the_first(web: PhotoWeb, tmp_path: object) -> None:
    first, second = listed_by_both(web)
    addresses = f"{tmp_path}/list.csv"
    with open(addresses, "w", encoding="utf-8") as file:
        file.write(f"url,label\n{second},robin\n")

    call_command(
        "crawl", "Birds", "--keyword", "robin", "--source", "openverse,urls", "--urls-file", addresses,
        "--per-label", "10",
    )  # fmt: skip
    job = drain(Job.objects.get())

    assert_ledger_holds(job)
    assert (job.found, job.kept, job.duplicate) == (2, 1, 1), job.summary
    image = Image.objects.get()
    assert (image.source, image.url, image.creator) == ("openverse", first, "A. Photographer")
    duplicate = Finding.objects.get(outcome="duplicate")
    assert (duplicate.url, duplicate.reason, duplicate.image_id) == (second, "duplicate_exact", image.pk)
    assert duplicate.chunk.source == "urls"


def test_a_real_worker_does_the_same_whoever_comes_first(
    web: PhotoWeb, worker: "subprocess.Popen[bytes]", process_environment: dict[str, str], tmp_path: object
) -> None:
    """Both lanes run at once here, so either may be the first; the other one is the duplicate."""
    first, second = listed_by_both(web)
    addresses = f"{tmp_path}/list.csv"
    with open(addresses, "w", encoding="utf-8") as file:
        file.write(f"url,label\n{second},robin\n")

    command = [sys.executable, "manage.py", "crawl", "Birds", "--keyword", "robin", "--source", "openverse,urls",
               "--urls-file", addresses, "--per-label", "10", "--wait", "--json"]  # fmt: skip
    done = subprocess.run(
        command, env=process_environment, cwd=django_settings.BASE_DIR, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip

    report = json.loads(done.stdout)
    assert (report["found"], report["kept"], report["duplicate"]) == (2, 1, 1), done.stderr
    assert_ledger_holds(Job.objects.get())
    image = Image.objects.get()
    duplicate = Finding.objects.get(outcome="duplicate")
    assert {image.url, duplicate.url} == {first, second}
    assert duplicate.image_id == image.pk
