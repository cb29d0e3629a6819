"""The page of a dataset's exports: what there is, what a new one would hold, and the files."""

import hashlib
from http import HTTPStatus
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseStopPolling

from datasets import queries as dataset_queries
from datasets import versions
from datasets.access import Right, require, visible_dataset
from datasets.blobs import BlobError
from datasets.exports.parts import SUMS
from datasets.exports.types import SPLITS
from datasets.models import Dataset
from datasets.version_models import DatasetVersion
from jobs import export_services, progress, queries
from jobs.context import health_of
from jobs.downloads import download
from jobs.export_forms import ExportForm
from jobs.export_models import Export
from jobs.services import Refused
from jobs.spec import InvalidSpec

#: Exports and versions on the page; older ones are reached through their jobs.
_SHOWN = 20
_POLL_S = 2


@require_http_methods(["GET", "POST"])
def exports_page(request: HttpRequest, slug: str) -> HttpResponse:
    """The exports of a dataset, and the form of a new one."""
    dataset = visible_dataset(request, slug)
    if request.method == "GET":
        return _page(request, dataset, ExportForm(dataset))
    return start(request, dataset)


def start(request: HttpRequest, dataset: Dataset) -> HttpResponse:
    """Starts the export of a form that was sent, or shows what is to be mended; `look` only shows what would go in."""
    require(cast(User, request.user), Right.START, dataset)
    form = ExportForm(dataset, request.POST)
    if form.is_valid() and "look" not in request.POST:
        try:
            job = export_services.submit_export(
                dataset=dataset,
                spec=form.spec(),
                by=cast(User, request.user),
                submit_key=form.cleaned_data["submit_key"],
            )
        except (InvalidSpec, Refused) as refusal:
            form.add_error(None, refusal.message)
        else:
            messages.success(request, f"The export is job {job.pk}. Its files are offered below once they are sound.")
            return redirect("dataset-exports", slug=dataset.slug)
    return _page(request, dataset, form, status=422 if form.errors else 200)


@require_POST
def export_preview(request: HttpRequest, slug: str) -> HttpResponse:
    """What the form as it stands lets in and leaves out, for the panel beside it."""
    dataset = visible_dataset(request, slug)
    preview = versions.preview(dataset, ExportForm(dataset, request.POST).policy)
    return render(request, "datasets/_export_preview.html", {"preview": preview})


@require_GET
def exports_live(request: HttpRequest, slug: str) -> HttpResponse:
    """The list of exports: 204 while nothing changed, 286 once none is under way."""
    dataset = visible_dataset(request, slug)
    context = _list(request, dataset)
    if context["token"] == request.GET.get("v"):
        return HttpResponse(status=204)
    response = render(request, "datasets/_exports_live.html", {"dataset": dataset, **context})
    return response if context["is_live"] else HttpResponseStopPolling(response.content)


@require_GET
def export_file(request: HttpRequest, slug: str, job_pk: int, name: str) -> HttpResponseBase:
    """A file of an export that is offered, as an attachment."""
    export = get_object_or_404(Export, pk=job_pk, job__dataset=visible_dataset(request, slug))
    try:
        return download(export, name)
    except BlobError as error:
        return HttpResponse(str(error), status=HTTPStatus.SERVICE_UNAVAILABLE, content_type="text/plain; charset=utf-8")


@require_POST
def remove_export(request: HttpRequest, slug: str, job_pk: int) -> HttpResponse:
    get_object_or_404(Export, pk=job_pk, job__dataset=visible_dataset(request, slug))
    try:
        export_services.remove_export(job_id=job_pk, by=cast(User, request.user))
        messages.success(request, "The files are removed. The same version can be exported again, byte for byte.")
    except Refused as refusal:
        messages.warning(request, refusal.message)
    return redirect("dataset-exports", slug=slug)


@require_GET
def version_page(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """What a version holds, and what sets it apart from the one before it or from `?against=`."""
    version = get_object_or_404(
        DatasetVersion.objects.select_related("dataset", "created_by"),
        dataset=visible_dataset(request, slug),
        number=number,
    )
    against = request.GET.get("against", "")
    wanted = int(against) if against.isdecimal() and len(against) < 10 else number - 1
    earlier = version.dataset.versions.filter(number=wanted).exclude(pk=version.pk).first()
    rows = [(label, [version.counts[split].get(label, 0) for split in SPLITS]) for label in version.labels]
    context = {
        "dataset": version.dataset,
        "head": dataset_queries.head(version.dataset),
        "version": version,
        "splits": [(split, sum(version.counts[split].values())) for split in SPLITS],
        "rows": [(label, counts, sum(counts)) for label, counts in rows],
        "earlier": earlier,
        "others": version.dataset.versions.exclude(pk=version.pk)[:_SHOWN],
        "difference": versions.difference(earlier, version) if earlier else None,
        "policy": versions.facts_of(version).policy.sentences(),
    }
    return render(request, "datasets/version.html", context)


def _page(request: HttpRequest, dataset: Dataset, form: ExportForm, *, status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {
        "dataset": dataset,
        "head": dataset_queries.head(dataset),
        "form": form,
        "preview": versions.preview(dataset, form.policy),
        "versions": dataset.versions.select_related("created_by")[:_SHOWN],
        **_list(request, dataset),
    }
    return render(request, "datasets/exports.html", context, status=status)


def _list(request: HttpRequest, dataset: Dataset) -> dict[str, Any]:
    """The newest exports with their states; `token` changes with anything that the list shows."""
    newest = Export.objects.filter(job__dataset=dataset).select_related("job__dataset", "job__created_by", "version")
    rows: list[dict[str, Any]] = []
    digest = hashlib.sha256()
    ask_redis = health_of(request).redis
    for export in newest.order_by("-pk")[:_SHOWN]:
        now = progress.read(export.job, ask_redis=ask_redis)
        word = queries.status_word(export.job)
        digest.update(f"{export.pk} {word.word} {now.found} {export.ready_at} {export.removed_at};".encode())
        rows.append({"export": export, "job": export.job, "now": now, "word": word, "main": _main_file(export)})
    return {
        "rows": rows,
        "is_live": any(not row["job"].is_terminal for row in rows),
        "token": digest.hexdigest()[:12],
        "poll_s": _POLL_S,
        "sums": SUMS,
        "shown": _SHOWN,
    }


def _main_file(export: Export) -> dict[str, Any] | None:
    """The one file that most people want: the largest, where it holds most of the bytes."""
    largest: dict[str, Any] = max(export.files, key=lambda file: int(file["size_bytes"]), default={})
    return largest if largest and 2 * int(largest["size_bytes"]) > export.size_bytes else None
