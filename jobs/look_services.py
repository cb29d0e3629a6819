"""Turns a dry run into a crawl: the same verb for pages, commands and the API. jobs.services has the others."""

import json
from collections.abc import Iterator

from django.contrib.auth.models import User
from django.utils.crypto import salted_hmac

from datasets.access import Right, require
from jobs.crawl_services import CrawlRequest, submit_crawl
from jobs.listing import BATCH_ROWS
from jobs.models import Job, ListedUrl
from jobs.services import Refused
from jobs.spec import URL_LIST_SOURCE, CrawlSpec


def start_for_real(*, job_id: int, by: User | None) -> Job:
    """Starts the crawl that a dry run looked at, with its settings, list and ZIP file; asked twice, gives the same job.

    Raises Refused, InvalidSpec, NotAllowed.
    """
    job = Job.objects.select_related("dataset").get(pk=job_id)
    require(by, Right.START, job.dataset)
    if not job.dry_run:
        raise Refused(f"Job {job.pk} is no dry run. Start a new crawl with its settings instead.")
    if not job.is_terminal:
        raise Refused(f"Job {job.pk} still looks at its sources. Wait until it ends, or cancel it first.")
    spec = CrawlSpec.from_json(job.spec)
    has_list = URL_LIST_SOURCE in spec.sources
    if has_list and not job.listed_urls.exists():
        raise Refused(f"The list of addresses of job {job.pk} is not kept any more. Start a new crawl with the list.")
    request = CrawlRequest(
        dataset=job.dataset.name,
        keywords=spec.keyword_lines,
        sources=spec.sources,
        per_label=spec.per_label,
        filters=spec.filters,
        url_list=_listed(job) if has_list else None,
        url_format="jsonl",
        upload=spec.upload,
        # Nobody else can come upon it: whoever submits with a key gets the job that was stored under it.
        submit_key=salted_hmac("jobs.look_services", f"{job.pk} {job.created_at}").hexdigest(),
    )
    return submit_crawl(request, by=by)


def _listed(job: Job) -> Iterator[str]:
    """The lines of the dry run's list, in their order.

    Read in pieces: SQLite lets nobody write behind a read that is still open.
    """
    rows = ListedUrl.objects.filter(job=job).order_by("pk").values("pk", "url", "label", "title", "licence", "page_url")
    last = 0
    while piece := list(rows.filter(pk__gt=last)[:BATCH_ROWS]):
        last = piece[-1]["pk"]
        yield from (json.dumps({name: value for name, value in row.items() if name != "pk"}) for row in piece)
