"""Dry runs: what is seen of every keyword × source, what a crawl would come to, and that it comes to that."""

import hashlib
import io
import re
import uuid

import pytest
from django.test import Client
from PIL import Image as Picture

from datasets.models import Image
from datasets.people import VIEWER
from datasets.tests.people import operator, person
from datasets.tests.pictures import encoded, noisy
from jobs import (
    crawl_services,
    lifecycle,
    listing,
    look_services,
    look_view,
    look_work,
    planner,
    runner,
    services,
    takedowns,
)
from jobs.crawl_services import CrawlRequest
from jobs.look_models import Look, LookThumbnail
from jobs.look_services import start_for_real
from jobs.look_work import LookWork
from jobs.models import Finding, Job, Status
from jobs.outlook import Outlook
from jobs.recorder import LeaseLost
from jobs.services import Refused
from jobs.spec import CrawlSpec, parse_filters
from jobs.tests.drain import drain
from jobs.tests.ledger import assert_ledger_holds
from jobs.tests.photoweb import PhotoWeb
from jobs.token_models import Scope
from jobs.tokens import create_token

pytestmark = pytest.mark.django_db(transaction=True)


def submit(**changes: object) -> Job:
    asked = {
        "dataset": "Photos", "keywords": ("*",), "sources": ("openverse",), "per_label": 50, "dry_run": True, **changes,
    }  # fmt: skip
    return crawl_services.submit_crawl(CrawlRequest(**asked), by=None)  # type: ignore[arg-type]


def photo(seed: int) -> bytes:
    return encoded(noisy(90, 80, seed=seed))


def filled(web: PhotoWeb, count: int, *, words: str = "", first: int = 0) -> None:
    for seed in range(first, first + count):
        web.add_photo(f"/{seed}.jpg", photo(seed), words=words)


def ahead(job: Job) -> Outlook:
    assert job.outlook
    return Outlook.from_json(job.outlook)


def downloads(web: PhotoWeb) -> int:
    return sum(n for path, n in web.hits.items() if path.endswith(".jpg"))


def test_a_dry_run_tells_what_there_is_tries_six_and_keeps_nothing(web: PhotoWeb) -> None:
    filled(web, 12)

    job = drain(submit())

    assert_ledger_holds(job)
    look = Look.objects.get()
    assert (job.status, job.found, job.chunks.get().listed) == (Status.COMPLETED, 0, 12)
    assert (look.total, look.seen, look.is_whole, look.usable, look.known) == (12, 12, True, 12, 0)
    assert look.licences == {"CC BY 4.0": 12}
    assert sum(look.sizes.values()) == 12
    assert downloads(web) == len(look.samples) == 6
    assert [sample["trouble"] for sample in look.samples] == [""] * 6
    for row in LookThumbnail.objects.all():
        with Picture.open(io.BytesIO(bytes(row.content))) as thumbnail:
            assert (thumbnail.format, thumbnail.size) == ("JPEG", (90, 80))
    assert not Image.objects.exists()
    assert not Finding.objects.exists()
    assert "about 12 of 50" in job.summary


def test_the_crawl_comes_to_what_the_dry_run_said(web: PhotoWeb) -> None:
    """With two keywords that share pictures, some that are broken, and some that a filter leaves out."""
    for seed in range(60):
        told = {"license": "by-nc"} if seed % 5 == 0 else {}
        body = photo(seed) if seed % 20 != 3 else b"no picture"
        web.add_photo(f"/{seed}.jpg", body, words="finch", **told)
        if seed >= 40:
            web.add_listed(f"/{seed}.jpg", words="robin", **told)
    filled(web, 30, words="robin", first=100)
    filters = parse_filters(licence="commercial")

    dry = drain(submit(keywords=("robin", "finch"), filters=filters))
    job = drain(start_for_real(job_id=dry.pk, by=None))

    assert_ledger_holds(job)
    assert job.spec == dry.spec
    assert job.kept == 75
    assert abs(ahead(dry).images - job.kept) <= 0.05 * job.kept
    assert [one.label for one in ahead(dry).short] == ["robin", "finch"]


def test_what_is_known_refused_or_repeated_is_counted(web: PhotoWeb) -> None:
    filled(web, 5)
    drain(submit(dry_run=False))
    web.add_listed("/0.jpg")
    web.add_listed("/small.jpg", width=20, height=20)
    web.add_listed("/mature.jpg", mature=True)
    filled(web, 2, first=50)
    web.add_listed("/50.jpg")

    look = Look.objects.get(chunk__job=drain(submit()))

    assert (look.seen, look.usable, look.known, look.repeated) == (11, 2, 6, 1)
    assert look.refused == {"too_small": 1, "mature": 1}


def test_a_long_list_is_read_in_part_and_thought_to_go_on_as_it_began(
    web: PhotoWeb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_work, "MAX_PAGES", 2)
    for seed in range(100):
        web.add_photo(f"/{seed}.jpg", photo(seed), license="by" if seed % 2 else "by-nc")

    job = drain(submit(per_label=500, filters=parse_filters(licence="commercial")))

    look = Look.objects.get()
    assert not look.is_whole
    assert look.seen < 100
    assert ahead(job).images == 50
    assert web.hits["/v1/images/"] == 2


def test_no_more_is_read_than_a_label_needs(web: PhotoWeb) -> None:
    filled(web, 100)

    job = drain(submit(per_label=5))

    assert web.hits["/v1/images/"] == 1
    assert (ahead(job).images, ahead(job).short) == (5, [])


def test_thumbnails_of_the_source_are_fetched_instead_of_pictures(web: PhotoWeb) -> None:
    for seed in range(10):
        web.pages[f"/thumb/{seed}"] = lambda _, body=encoded(noisy(32, 24, seed=seed)): (200, {}, body)  # type: ignore[misc]
        web.add_photo(f"/{seed}.jpg", photo(seed), thumbnail=web.url(f"/thumb/{seed}"), width=90, height=80)

    job = drain(submit())

    look = Look.objects.get()
    assert downloads(web) == 0
    assert [(sample["width_px"], sample["trouble"]) for sample in look.samples] == [(90, "")] * 6
    assert LookThumbnail.objects.count() == 6
    assert ahead(job).images == 10


def test_where_no_picture_comes_less_is_promised(web: PhotoWeb) -> None:
    for seed in range(30):
        web.add_listed(f"/{seed}.jpg", words="gone")

    dry = drain(submit(keywords=("gone",)))

    assert [sample["trouble"] for sample in Look.objects.get().samples] == ["http_404"] * 6
    assert ahead(dry).images == round(30 * 20 / 26)
    assert not LookThumbnail.objects.exists()


def test_bytes_are_what_the_source_tells_or_what_was_tried(web: PhotoWeb) -> None:
    for seed in range(10):
        web.add_photo(f"/{seed}.jpg", photo(seed), words="told", filesize=5_000)
        web.add_photo(f"/b{seed}.jpg", photo(100 + seed), words="tried")

    told, tried = (drain(submit(keywords=(word,))) for word in ("told", "tried"))

    assert ahead(told).size_bytes == 50_000
    tries = Look.objects.get(chunk__job=tried).tried_bytes
    assert ahead(tried).size_bytes == pytest.approx(10 * sum(tries) / 6, abs=1)


def test_a_source_that_cannot_be_asked_is_told_and_the_others_are_looked_at(web: PhotoWeb) -> None:
    filled(web, 4, words="robin")
    web.refused["wren"] = 400

    job = drain(submit(keywords=("robin", "wren")))

    assert (job.status, ahead(job).images) == (Status.COMPLETED, 4)
    again = drain(services.retry_job(job_id=job.pk, by=None))
    assert again.chunks.filter(status=Status.FAILED).count() == 1


def test_a_look_again_takes_the_place_of_the_first(web: PhotoWeb) -> None:
    filled(web, 4)
    job = drain(submit())
    chunk = job.chunks.get()
    filled(web, 3, first=20)
    lifecycle.move_job(job.pk, Status.PENDING, run=2)
    lifecycle.reopen_chunk(chunk.pk, run=2)

    drain(job)

    assert Look.objects.get().seen == 7
    assert LookThumbnail.objects.count() == 6


def test_a_worker_that_lost_its_chunk_writes_no_look(web: PhotoWeb) -> None:
    filled(web, 2)
    job = submit()
    job.chunks.create(label="*", keyword="*", source="openverse")
    chunk = job.chunks.select_related("job__dataset").get()
    lost = lifecycle.Lease(chunk_id=chunk.pk, token=uuid.uuid4())

    with pytest.raises(LeaseLost):
        LookWork(chunk, lost, should_stop=lambda: False).run()

    assert not Look.objects.exists()


def test_what_was_taken_down_is_not_shown_whenever_that_was(web: PhotoWeb) -> None:
    filled(web, 3)
    takedowns.add([takedowns.parse("sha256", hashlib.sha256(photo(0)).hexdigest())], why="asked", by=None)

    drain(submit())

    look = Look.objects.get()
    assert [sample["trouble"] for sample in look.samples] == ["takedown", "", ""]
    assert set(LookThumbnail.objects.values_list("n", flat=True)) == {1, 2}
    takedowns.add([takedowns.parse("url", web.url("/1.jpg"))], why="asked", by=None)
    assert set(LookThumbnail.objects.values_list("n", flat=True)) == {2}


def test_pictures_of_the_first_lanes_alone_are_tried(web: PhotoWeb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_work, "MOST_TRIED_LANES", 2)
    for place, word in enumerate(("ash", "elm", "oak")):
        filled(web, 2, words=word, first=10 * place)

    drain(submit(keywords=("ash", "elm", "oak")))

    assert [len(look.samples) for look in Look.objects.order_by("chunk_id")] == [2, 2, 0]


def test_a_cancelled_dry_run_says_so_and_goes_on(web: PhotoWeb) -> None:
    filled(web, 2, words="ash")
    filled(web, 3, words="elm", first=10)
    job = submit(keywords=("ash", "elm"))
    planner.plan(job.pk)
    runner.run_chunk(job.chunks.order_by("pk")[0].pk)
    services.cancel_job(job_id=job.pk, by=None)
    job.refresh_from_db()

    assert (job.status, job.outlook) == (Status.CANCELLED, None)
    assert job.summary == "Cancelled. 1 keyword × source were looked at, and nothing was kept."
    again = services.retry_job(job_id=job.pk, by=None)
    assert ahead(drain(again)).images == 5


def test_an_outlook_is_gone_while_it_is_worked_out_anew(web: PhotoWeb) -> None:
    filled(web, 2, words="ash")
    web.refused["elm"] = 400
    job = drain(submit(keywords=("ash", "elm")))
    assert ahead(job).images == 2

    again = services.retry_job(job_id=job.pk, by=None)

    assert again.outlook is None


def test_the_most_frequent_licences_are_named_whatever_the_database_makes_of_their_order(web: PhotoWeb) -> None:
    for number, licence in enumerate(["by", *["by-nc-nd"] * 5, *["cc0"] * 3, *["by-sa"] * 2, *["by-nc"] * 4]):
        web.add_listed(f"/{number}.jpg", license=licence, license_url="")
    job = drain(submit())

    (row,) = look_view.rows(job, CrawlSpec.from_json(job.spec), [("*", "*")])

    assert [number for _, number in row.kinds[:4]] == [5, 4, 3, 2]


# -- from a dry run to a crawl -------------------------------------------------------------------------------------


def test_a_list_goes_along(web: PhotoWeb) -> None:
    robin, wren = web.add_photo("/robin.jpg", photo(1)), web.add_photo("/wren.jpg", photo(2))
    lines = ["url,label,title,licence", f'{robin},robin,"A, robin",CC0', f"{wren},wren,,"]
    dry = drain(submit(keywords=(), sources=("urls",), url_list=iter(lines)))

    job = drain(start_for_real(job_id=dry.pk, by=None))

    assert (job.kept, ahead(dry).images) == (2, 2)
    assert set(Image.objects.values_list("label", "title", "licence_code")) == {
        ("robin", "A, robin", "cc0"),
        ("wren", "", "unknown"),
    }


def test_a_long_list_goes_along_while_others_write(web: PhotoWeb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_services, "BATCH_ROWS", 2)
    monkeypatch.setattr(listing, "BATCH_ROWS", 2)
    urls = [web.add_photo(f"/{seed}.jpg", photo(seed)) for seed in range(7)]
    dry = drain(submit(keywords=(), sources=("urls",), url_list=iter(urls)))

    job = drain(start_for_real(job_id=dry.pk, by=None))

    assert job.kept == 7
    assert list(job.listed_urls.order_by("pk").values_list("url", flat=True)) == urls


def test_a_key_that_somebody_thought_of_is_not_the_one_of_a_dry_run(web: PhotoWeb) -> None:
    filled(web, 2)
    dry = drain(submit())
    other = submit(dry_run=False, dataset="Others", submit_key=f"dry-run-{dry.pk}")

    assert start_for_real(job_id=dry.pk, by=None) != other


def test_asked_twice_it_is_the_same_crawl(web: PhotoWeb) -> None:
    filled(web, 2)
    dry = drain(submit())

    assert start_for_real(job_id=dry.pk, by=None) == start_for_real(job_id=dry.pk, by=None)
    assert Job.objects.count() == 2


def test_only_a_dry_run_that_has_ended_becomes_a_crawl(web: PhotoWeb) -> None:
    filled(web, 1)
    with pytest.raises(Refused, match="still looks"):
        start_for_real(job_id=submit().pk, by=None)
    with pytest.raises(Refused, match="no dry run"):
        start_for_real(job_id=drain(submit(dry_run=False)).pk, by=None)


def test_a_list_that_was_purged_is_missed(web: PhotoWeb) -> None:
    dry = drain(submit(keywords=(), sources=("urls",), url_list=iter([web.add_photo("/a.jpg", photo(1))])))
    dry.listed_urls.all().delete()

    with pytest.raises(Refused, match="not kept any more"):
        start_for_real(job_id=dry.pk, by=None)


# -- the doors -----------------------------------------------------------------------------------------------------


def test_the_page_shows_what_was_seen_and_starts_the_crawl(web: PhotoWeb, client: Client) -> None:
    filled(web, 8)
    user = operator()
    client.force_login(user)
    request = CrawlRequest(dataset="Photos", keywords=("*",), sources=("openverse",), per_label=50, dry_run=True)
    job = drain(crawl_services.submit_crawl(request, by=user))

    page = client.get(f"/jobs/{job.pk}/").text
    first = re.findall(r'src="(/jobs/\d+/chunks/\d+/tried/\d)"', page)[0]
    picture = client.get(first)
    started = client.post(f"/jobs/{job.pk}/start/")

    assert "8 would be fetched" in page
    assert "about 8 of 50" in page
    assert (picture.status_code, picture["Content-Type"], "private" in picture["Cache-Control"]) == (
        200, "image/jpeg", True,
    )  # fmt: skip
    crawl = Job.objects.get(dry_run=False)
    assert started["Location"] == f"/jobs/{crawl.pk}/"
    client.force_login(person(VIEWER))
    assert client.get(first).status_code == 404
    assert client.post(f"/jobs/{job.pk}/start/").status_code in (403, 404)


def test_the_api_tells_and_starts_the_same(web: PhotoWeb) -> None:
    filled(web, 8)
    user = operator()
    api = Client(headers={"Authorization": f"Bearer {create_token(user, 'script', scope=Scope.WRITE)}"})
    asked = {"dataset": "birds", "keywords": ["*"], "sources": ["openverse"], "per_label": 50, "dry_run": True}
    made = api.post("/api/v1/jobs/", asked, content_type="application/json")
    running = api.post(f"{made['Location']}/start")
    drain(Job.objects.get())

    told = api.get(made["Location"]).json()
    (look,) = api.get(f"{made['Location']}/looks").json()["items"]
    started = api.post(f"{made['Location']}/start")

    assert running.status_code == 409
    assert (told["outlook"]["images"], look["usable"], len(look["samples"])) == (8, 8, 6)
    assert (started.status_code, started.json()["outlook"]) == (201, None)
    assert started["Location"] == f"/api/v1/jobs/{Job.objects.get(dry_run=False).pk}"
