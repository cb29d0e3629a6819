"""How a crawl is asked for: by a form, a command, the API or a dry run. jobs.services has the other verbs."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from datasets import audit
from datasets.access import Right, may, require
from datasets.audit_models import Verb
from datasets.models import Dataset
from datasets.services import InvalidDataset, dataset_name, get_or_create_dataset
from jobs import activity, listing, uploads, wiring
from jobs.crawl.filters import Filters
from jobs.credentials import obstacle
from jobs.models import Job, LabelTarget
from jobs.services import begin, submitted_before
from jobs.spec import (
    UPLOAD_SOURCE,
    URL_LIST_SOURCE,
    CrawlSpec,
    InvalidSpec,
    Upload,
    check,
    parse_filters,
    parse_keywords,
)

_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlRequest:
    """A crawl as a form, a command or the API gives it. `keywords` are lines, `url_list` the lines of a URL list.

    `upload` is a ZIP file for the source “folder”, which comes along with it; or one that another job brought.
    """

    dataset: str
    keywords: tuple[str, ...]
    sources: tuple[str, ...]
    per_label: int
    filters: Filters = field(default_factory=parse_filters)
    url_list: Iterable[str] | None = None
    url_format: str = "auto"
    upload: uploads.GivenZip | Upload | None = None
    dry_run: bool = False
    submit_key: str = ""
    submit_digest: str = ""


def submit_crawl(request: CrawlRequest, *, by: User | None) -> Job:
    """Stores a crawl and asks the workers to begin; the same `submit_key` gives the same job. Raises InvalidSpec.

    With a `submit_digest` of what is asked for, the same key for something else is refused.

    A list of addresses that is longer than a batch is stored bit by bit: whoever submits it again meanwhile gets the
    job whose list is being stored.
    """
    require(by, Right.START)
    spec = read_spec(request)
    submitted = submitted_before(request.submit_key, request.submit_digest)
    if submitted is not None:
        return submitted
    if request.upload is None:
        return _store_crawl(request, spec, by)
    with uploads.taken_in(request.upload, root_label=_root_label(request, spec)) as upload:
        return _store_crawl(request, replace(spec, upload=upload), by)


def _store_crawl(request: CrawlRequest, spec: CrawlSpec, by: User | None) -> Job:
    """Stores what was checked; where the same request is being stored by another process, gives its job."""
    reader = _list_reader(request, spec)
    rows = reader.next_batch() if reader else []
    try:
        with transaction.atomic():
            job, is_new_dataset = _create_job(request, spec, by)
            if reader:
                listing.add(job, rows)
            if reader is None or reader.is_at_end:
                _complete(job, spec, reader)
    except IntegrityError:
        # The same request arrived twice at once: the other one made the job.
        submitted = submitted_before(request.submit_key, request.submit_digest)
        if submitted is None:
            raise
        return submitted
    if reader and not reader.is_at_end:
        _store_rest(job, spec, reader, is_new_dataset=is_new_dataset)
    return job


def _list_reader(request: CrawlRequest, spec: CrawlSpec) -> listing.ListReader | None:
    if request.url_list is None:
        return None
    searched = replace(spec, upload=None).labels
    default_label = searched[0] if len(searched) == 1 else _dataset_name(request)
    return listing.ListReader(request.url_list, format=request.url_format, default_label=default_label)


def _root_label(request: CrawlRequest, spec: CrawlSpec) -> str:
    """The label of uploaded pictures in no folder: that of the keywords where it is one, else the dataset's name."""
    labels = {keyword.label for keyword in spec.keywords}
    return labels.pop() if len(labels) == 1 else _dataset_name(request)


def _dataset_name(request: CrawlRequest) -> str:
    try:
        return dataset_name(request.dataset)
    except InvalidDataset as error:
        raise InvalidSpec("dataset", str(error)) from None


def _create_job(request: CrawlRequest, spec: CrawlSpec, by: User | None) -> tuple[Job, bool]:
    """The job without its list, and whether its dataset was made for it."""
    name = _dataset_name(request)
    existing = Dataset.objects.filter(name=name).first()
    is_new_dataset = existing is None
    if existing is not None and not may(by, Right.START, existing):
        raise InvalidSpec("dataset", "That name is taken by a dataset that you do not see. Choose another one.")
    job = Job.objects.create(
        dataset=get_or_create_dataset(name, by=by),
        created_by=by,
        dry_run=request.dry_run,
        spec=spec.to_json(),
        submit_key=request.submit_key or None,
        submit_digest=request.submit_digest,
        list_lease_expires_at=None if request.url_list is None else timezone.now(),
    )
    activity.log(job.pk, f"Submitted by {by}." if by else "Submitted on the command line.")
    if spec.upload:
        activity.log(job.pk, spec.upload.told)
    audit.record(by, Verb.STARTED, "Started a crawl", dataset=job.dataset, job_id=job.pk)
    return job, is_new_dataset


def _complete(job: Job, spec: CrawlSpec, reader: listing.ListReader | None) -> None:
    """What a job needs to start, in the caller's transaction; then the message to the workers."""
    if reader:
        spec = replace(spec, listed_labels=reader.labels)
        listing.complete(job)
    wanted = spec.per_label * len(spec.labels)
    Job.objects.filter(pk=job.pk).update(spec=spec.to_json(), wanted=wanted)
    job.refresh_from_db()
    LabelTarget.objects.bulk_create(
        (LabelTarget(job=job, label=label, wanted=spec.per_label) for label in spec.labels), batch_size=_BATCH
    )
    transaction.on_commit(lambda: begin(job), robust=True)


def _store_rest(job: Job, spec: CrawlSpec, reader: listing.ListReader, *, is_new_dataset: bool) -> None:
    """Stores the batches behind the first one, a transaction each. Raises InvalidSpec, and leaves no job then."""
    try:
        while not reader.is_at_end:
            rows = reader.next_batch()
            with transaction.atomic():
                listing.add(job, rows)
        with transaction.atomic():
            _complete(job, spec, reader)
    except listing.ListEnded:
        # Cancelled, or given up: the job's page says so.
        job.refresh_from_db()
    except InvalidSpec:
        listing.discard(job)
        if is_new_dataset:
            _remove_unused(job.dataset)
        raise
    except BaseException:
        with suppress(DatabaseError):
            listing.give_up(job)
        raise


def _remove_unused(dataset: Dataset) -> None:
    """Removes a dataset that was made for a job that is gone, unless something came into it meanwhile."""
    with transaction.atomic():
        Dataset.objects.select_for_update().filter(pk=dataset.pk).first()
        Dataset.objects.filter(pk=dataset.pk, jobs__isnull=True, images__isnull=True).delete()


def read_spec(request: CrawlRequest) -> CrawlSpec:
    """What a request asks for, without its URL list. Raises InvalidSpec."""
    spec = CrawlSpec(
        keywords=parse_keywords(request.keywords),
        sources=tuple(dict.fromkeys((*request.sources, *((UPLOAD_SOURCE,) if request.upload else ())))),
        per_label=request.per_label,
        filters=request.filters,
    )
    infos = {info.name: info for info in wiring.source_infos()}
    check(spec, known_sources=infos)
    for source in spec.sources:
        if why := obstacle(infos[source]):
            raise InvalidSpec("sources", why)
    has_list = request.url_list is not None
    if (URL_LIST_SOURCE in spec.sources) != has_list:
        raise InvalidSpec(
            "urls", "A list of image addresses and the source “urls” belong together: give both or neither."
        )
    brought = {URL_LIST_SOURCE, *((UPLOAD_SOURCE,) if request.upload else ())}
    if not spec.keywords and not set(spec.sources) <= brought:
        told = "Give at least one keyword: it is what the sources are searched for."
        if UPLOAD_SOURCE in spec.sources:
            told += " For the source folder it is a path on the server; without one, upload a ZIP file."
        raise InvalidSpec("keywords", told)
    return spec


def start_sample_crawl(by: User | None) -> Job:
    """A small crawl of drawn pictures that needs no network: something to watch on a new installation."""
    request = CrawlRequest(
        dataset="Sample shapes",
        keywords=("circles", "triangles", "stars"),
        sources=("sample",),
        per_label=12,
    )
    return submit_crawl(request, by=by)
