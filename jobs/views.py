"""Pages of jobs: thin doors to jobs.services (verbs) and jobs.queries (nouns)."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh, HttpResponseStopPolling

from datasets import cards
from datasets.access import Right, require, seen_by, visible_dataset, visible_datasets
from datasets.models import Dataset, ValidationLevel
from jobs import (
    banners,
    crawl_services,
    drawn,
    first_minutes,
    lifecycle,
    live,
    progress,
    queries,
    services,
    system_state,
    throughput,
    watchers,
)
from jobs import estimate as estimates
from jobs import overview as told
from jobs.context import frame_token, health_and_version, health_of, work_of
from jobs.forms import CrawlForm, filters_of, initial_of
from jobs.job_view import Part, job_view
from jobs.models import TERMINAL, Job, Kind
from jobs.services import Refused
from jobs.spec import InvalidSpec

#: Seconds between two polls of a page: of a running job, and of everything that changes more slowly.
_POLL_RUNNING_S = 2
_POLL_SLOW_S = 5

#: Cards on the overview, and the newest datasets that are looked at for what needs somebody.
_CARDS = 3
_DATASETS_LOOKED_AT = 12


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    return render(request, "jobs/overview.html", _overview(request))


@require_GET
def overview_live(request: HttpRequest) -> HttpResponse:
    if _is_unchanged(request):
        return HttpResponse(status=204)
    return render(request, "jobs/_overview_live.html", _overview(request))


def _is_unchanged(request: HttpRequest) -> bool:
    """Whether a page about the whole installation shows what there is; asks no row."""
    now = frame_token(health_of(request))
    return bool(now) and now == request.GET.get("v")


def _overview(request: HttpRequest) -> dict[str, Any]:
    health, seen = health_of(request), seen_by(cast(User, request.user), "dataset__")
    # Before the rows: a change in between is drawn by the next poll, never taken for seen.
    version = frame_token(health)
    jobs = queries.overview_jobs(seen)
    now = timezone.now()
    running = [
        told.running(job, progress.read(job, ask_redis=health.redis), stopped=stopped, seen_at=now)
        for job, stopped in jobs.running
    ]
    found = cards.recent(visible_datasets(request), _DATASETS_LOOKED_AT)
    return {
        "running": running,
        "needs": told.needs(jobs.troubled, found),
        "finished": [(job, queries.status_word(job)) for job in jobs.finished],
        "cards": found[:_CARDS],
        "curve": throughput.last_hour() if health.redis else None,
        "system": system_state.state(health, work_of(request)),
        "first": first_minutes.told(),
        "poll_s": _POLL_RUNNING_S if running else _POLL_SLOW_S,
        "version": version,
    }


@require_POST
def start_sample(request: HttpRequest) -> HttpResponse:
    return redirect(crawl_services.start_sample_crawl(cast(User, request.user)))


@require_GET
def jobs_list(request: HttpRequest) -> HttpResponse:
    return render(request, "jobs/list.html", _jobs(request))


@require_GET
def jobs_live(request: HttpRequest) -> HttpResponse:
    """The table of jobs: 204 while nothing changed, 286 once none is under way."""
    if _is_unchanged(request):
        return HttpResponse(status=204)
    context = _jobs(request)
    response = render(request, "jobs/_list_live.html", context)
    return response if context["is_live"] else HttpResponseStopPolling(response.content)


def _jobs(request: HttpRequest) -> dict[str, Any]:
    version = frame_token(health_of(request))
    tab = request.GET.get("state", "all")
    search = request.GET.get("q", "").strip()[:100]
    after = request.GET.get("after", "")
    seen = seen_by(cast(User, request.user), "dataset__")
    jobs, next_after = queries.jobs_page(
        seen, tab=tab if tab in queries.TABS else "all", search=search, after=int(after) if after.isdecimal() else None
    )
    shown = [(job, queries.status_word(job)) for job in jobs]
    tabs = queries.tab_counts(seen)
    return {
        "jobs": shown,
        "tab": tab,
        "tabs": tabs,
        "q": search,
        "after": after,
        "is_first_page": not after,
        "next_after": next_after,
        "is_live": any(number for key, _, number in tabs if key in ("running", "waiting")),
        "poll_s": _POLL_SLOW_S,
        "version": version,
    }


@require_http_methods(["GET", "POST"])
def new_crawl(request: HttpRequest) -> HttpResponse:
    require(cast(User, request.user), Right.START)
    if request.method == "GET":
        origin, seen = request.GET.get("from", ""), seen_by(cast(User, request.user), "dataset__")
        job = (
            Job.objects.select_related("dataset").filter(seen, pk=origin, kind=Kind.CRAWL).first()
            if origin.isdecimal()
            else None
        )
        form = CrawlForm(initial=initial_of(job))
        return render(request, "jobs/new.html", {"form": form, "estimate": _estimate(form.initial)})
    form = CrawlForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            crawl = form.request(dry_run="dry_run" in request.POST)
            return redirect(crawl_services.submit_crawl(crawl, by=cast(User, request.user)))
        except InvalidSpec as refusal:
            form.add_refusal(refusal)
    return render(request, "jobs/new.html", {"form": form, "estimate": _estimate(request.POST)}, status=422)


@require_POST
def estimate(request: HttpRequest) -> HttpResponse:
    """What the form as it stands would start, for the panel beside it."""
    return render(request, "jobs/_estimate.html", {"estimate": _estimate(request.POST)})


def _estimate(values: Any) -> estimates.Estimate:
    sources = values.getlist("sources") if hasattr(values, "getlist") else values.get("sources", [])
    return estimates.estimate(
        keywords=str(values.get("keywords", "")).splitlines(),
        sources=sources,
        per_label=str(values.get("per_label", "")),
        urls=str(values.get("urls", "")).splitlines(),
        filters=lambda: filters_of(values),
    )


@require_GET
def job_page(request: HttpRequest, pk: int) -> HttpResponse:
    _, version = health_and_version(request, pk)
    return render(request, "jobs/job.html", _job_context(request, visible_job(request, pk), version))


@require_GET
def job_live(request: HttpRequest, pk: int) -> HttpResponse:
    """The live part: 204 while nothing changed, 286 once the job has ended and the polling with it."""
    # The version is read before the row: a change in between is drawn by the next poll, never taken for seen.
    waited_s = _number(request.GET.get("s", "")) or watchers.LEAST_S
    health, version = health_and_version(request, pk, waited_s=waited_s)
    shown = banners.token(health)
    if version is not None and version == request.GET.get("v") and shown == request.GET.get("h", shown):
        _state(request, pk)
        return HttpResponse(status=204)
    place = drawn.Place.of(pk, _part(request), cast(User, request.user), banners=shown)
    known = place.drawn() if version is not None else None
    if known is not None and (known.version == version or not known.is_due):
        state = _state(request, pk)
        if known.shows(state):
            return _answered(known.for_(request), state.status)
    job = visible_job(request, pk)
    state = queries.JobState.of(job)
    if known is None or not known.shows(state) or place.is_our_turn():
        context = {**_job_context(request, job, version), "is_poll": True, "csrf_token": place.blank}
        html = render_to_string("jobs/_live.html", context, request)
        known = place.keep(html, version=version, state=state)
    return _answered(known.for_(request), job.status)


def _answered(html: str, status: str) -> HttpResponse:
    return HttpResponseStopPolling(html) if status in TERMINAL else HttpResponse(html)


@require_GET
def job_note(request: HttpRequest, pk: int) -> HttpResponse:
    """How far a job is, on pages that show what it finds: 204 while nothing changed; at its end they load anew."""
    _, version = health_and_version(request, pk)
    if version is not None and version == request.GET.get("v"):
        _state(request, pk)
        return HttpResponse(status=204)
    job = visible_job(request, pk)
    return HttpResponseClientRefresh() if job.is_terminal else render(request, "jobs/_note.html", {"job": job})


@require_GET
def job_new_images(request: HttpRequest, pk: int) -> HttpResponse:
    """How many images a crawl brought since a gallery was drawn: tiles that jumped would be missed by every click."""
    _, version = health_and_version(request, pk)
    if version is not None and version == request.GET.get("v"):
        _state(request, pk)
        return HttpResponse(status=204)
    job = visible_job(request, pk)
    than = _number(request.GET.get("than", "")) or 0
    count = queries.newer_images(job.dataset_id, than)
    context = {"job": job, "than": than, "version": version, "count": count, "most": queries.MOST_NEW}
    response = render(request, "jobs/_new_images.html", context)
    return HttpResponseStopPolling(response.content) if job.is_terminal else response


def visible_job(request: HttpRequest, pk: int) -> Job:
    """The job with its dataset and its maker. Raises Http404 where there is none, or none that the user may see."""
    job = queries.job_seen_by(cast(User, request.user), pk)
    if job is None:
        raise Http404
    return job


def _state(request: HttpRequest, pk: int) -> queries.JobState:
    """The right to see a job, and its state. Raises Http404 where there is none, or none that the user may see."""
    state = queries.state_seen_by(cast(User, request.user), pk)
    if state is None:
        raise Http404
    return state


def _part(request: HttpRequest) -> Part:
    return Part(
        page=max(1, _number(request.GET.get("page", "")) or 1), only_problems=request.GET.get("only") == "problems"
    )


def _job_context(request: HttpRequest, job: Job, version: str | None) -> dict[str, Any]:
    health = health_of(request)
    told = live.told(job, ask_redis=health.redis)
    view = job_view(job, told.progress, part=_part(request), has_queue=health.redis, workers=health.workers)
    return {
        "shown": banners.token(health),
        "view": view,
        "job": job,
        "left_alone": told.left_alone,
        "subject": queries.subject(job),
        "version": version or "",
        "poll_s": told.poll_s if told.progress.from_redis else _POLL_SLOW_S,
        "can_cancel": lifecycle.can_cancel(job),
        "can_pause": lifecycle.can_pause(job),
        "can_resume": lifecycle.can_resume(job),
        "can_top_up": queries.can_top_up(job),
    }


@require_POST
def retry_job(request: HttpRequest, pk: int) -> HttpResponse:
    """Retries all that is undone, or what failed for the reasons that a button names."""
    reasons, run = request.POST.getlist("reason"), _number(request.POST.get("run", ""))
    return _act(
        request,
        pk,
        lambda user: services.retry_job(job_id=pk, by=user, reasons=reasons, run=run),
        "Retry is under way.",
    )


@require_POST
def top_up_job(request: HttpRequest, pk: int) -> HttpResponse:
    images, run = _number(request.POST.get("images", "")) or 0, _number(request.POST.get("run", ""))
    return _act(
        request,
        pk,
        lambda user: services.top_up(job_id=pk, images=images, by=user, run=run),
        "The search goes on where it stopped.",
    )


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 19 else None


@require_POST
def cancel_job(request: HttpRequest, pk: int) -> HttpResponse:
    return _act(request, pk, lambda user: services.cancel_job(job_id=pk, by=user), "Cancelling: what was kept stays.")


@require_POST
def pause_job(request: HttpRequest, pk: int) -> HttpResponse:
    return _act(request, pk, lambda user: services.pause_job(job_id=pk, by=user), "Paused. Resume goes on from here.")


@require_POST
def resume_job(request: HttpRequest, pk: int) -> HttpResponse:
    return _act(request, pk, lambda user: services.resume_job(job_id=pk, by=user), "The job goes on.")


@require_POST
def retry_chunk(request: HttpRequest, pk: int, chunk_pk: int) -> HttpResponse:
    return _act(
        request, pk, lambda user: services.retry_chunks(job_id=pk, chunk_ids={chunk_pk}, by=user), "Retry is under way."
    )


def _act(request: HttpRequest, pk: int, verb: Callable[[User], Job], done: str) -> HttpResponse:
    """Does the verb and leads back to the job's page, which says what came of it."""
    visible_job(request, pk)
    try:
        verb(cast(User, request.user))
        messages.success(request, done)
    except (Refused, InvalidSpec) as refusal:
        messages.warning(request, refusal.message)
    return redirect("job", pk=pk)


@require_POST
def validate_dataset(request: HttpRequest, slug: str) -> HttpResponse:
    dataset = visible_dataset(request, slug)
    level = request.POST.get("level", ValidationLevel.STANDARD)
    return _start(request, dataset, lambda user: services.submit_validation(dataset=dataset, level=level, by=user))


@require_POST
def repair_dataset(request: HttpRequest, slug: str) -> HttpResponse:
    """Fetches what is damaged again: the image that a button names, or all."""
    dataset = visible_dataset(request, slug)
    image_id = _number(request.POST.get("image", ""))
    return _start(request, dataset, lambda user: services.submit_repair(dataset=dataset, image_id=image_id, by=user))


def _start(request: HttpRequest, dataset: Dataset, verb: Callable[[User], Job]) -> HttpResponse:
    """Starts a job on a dataset and leads to its page, or back with the words of a refusal."""
    try:
        return redirect(verb(cast(User, request.user)))
    except (Refused, InvalidSpec) as refusal:
        messages.warning(request, refusal.message)
    return redirect(dataset)


@require_GET
def system(request: HttpRequest) -> HttpResponse:
    return render(request, "jobs/system.html", _system(request))


@require_GET
def system_live(request: HttpRequest) -> HttpResponse:
    if _is_unchanged(request):
        return HttpResponse(status=204)
    return render(request, "jobs/_system_live.html", _system(request))


def _system(request: HttpRequest) -> dict[str, Any]:
    health = health_of(request)
    version = frame_token(health)
    return {"system": system_state.state(health, work_of(request)), "poll_s": _POLL_SLOW_S, "version": version}
