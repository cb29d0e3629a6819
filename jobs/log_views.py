"""The log of a job: page by page, and as a file."""

import csv
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from datasets.spreadsheet import safe_cell
from jobs.models import Activity, Job, Level
from jobs.queries import status_word
from jobs.views import visible_job

#: Lines on a page of the log.
PAGE_SIZE = 100

COLUMNS = ("at", "level", "sentence")


@require_GET
def job_log(request: HttpRequest, pk: int) -> HttpResponse:
    """The lines of the log, newest first; `only=problems` leaves out what went well."""
    job = visible_job(request, pk)
    only_problems = request.GET.get("only") == "problems"
    lines = job.activities.order_by("-id")
    if only_problems:
        lines = lines.exclude(level=Level.INFO)
    after = request.GET.get("after", "")
    if after.isdecimal() and len(after) < 19:
        lines = lines.filter(pk__lt=int(after))
    shown = list(lines[: PAGE_SIZE + 1])
    context = {
        "job": job,
        "word": status_word(job),
        "lines": shown[:PAGE_SIZE],
        "older": shown[PAGE_SIZE - 1].pk if len(shown) > PAGE_SIZE else None,
        "is_first_page": not after,
        "problems_only": only_problems,
    }
    return render(request, "jobs/log.html", context)


@require_GET
def job_log_csv(request: HttpRequest, pk: int) -> HttpResponseBase:
    """All lines of the log, oldest first; safe to open in a spreadsheet, and never all of them in memory."""
    job = visible_job(request, pk)
    response = StreamingHttpResponse(_csv_lines(job), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="job-{job.pk}-log.csv"'
    return response


class _Echo:
    """Gives back what csv writes to it."""

    def write(self, text: str) -> str:
        return text


def _csv_lines(job: Job) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield str(writer.writerow(COLUMNS))
    lines = Activity.objects.filter(job=job).order_by("pk").values_list(*COLUMNS)
    for at, level, sentence in lines.iterator(chunk_size=1000):
        yield str(writer.writerow([at.isoformat(timespec="seconds"), level, safe_cell(sentence)]))
