"""What people may do to jobs: the same verbs for pages, admin, commands and the API.

One transaction each; messages are sent after the commit, and a queue that is away never makes a verb fail.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from datasets import audit
from datasets.access import Right, may, require
from datasets.audit_models import Verb
from datasets.models import Dataset, ValidationLevel
from datasets.outcomes import RETRYABLE
from datasets.services import InvalidDataset, dataset_name, get_or_create_dataset
from jobs import activity, doorbell, lifecycle, listing, planner, progress, source_health, uploads, wiring
from jobs.crawl.filters import Filters
from jobs.credentials import obstacle
from jobs.models import Job, Kind, LabelTarget, Level, Status
from jobs.plans import repair, validation
from jobs.spec import (
    MAX_PER_LABEL,
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


class Refused(Exception):
    """What was asked for cannot be done in the state things are in; the message says why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


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


def submitted_before(submit_key: str, submit_digest: str = "") -> Job | None:
    """The job that was stored under the key. Raises InvalidSpec where that was asked for something else."""
    job = Job.objects.filter(submit_key=submit_key).first() if submit_key else None
    if job is not None and submit_digest != job.submit_digest:
        raise InvalidSpec(
            "Idempotency-Key",
            f"This key was used for another request, which made job {job.pk}. Send a new key with a new request.",
        )
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
    transaction.on_commit(lambda: _begin(job), robust=True)


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
        raise InvalidSpec("keywords", "Give at least one keyword: it is what the sources are searched for.")
    return spec


def submit_validation(
    *,
    dataset: Dataset,
    level: str = ValidationLevel.STANDARD,
    by: User | None,
    submit_key: str = "",
    submit_digest: str = "",
) -> Job:
    """Stores a validation of all images that the dataset has now, and asks the workers to begin.

    The same `submit_key` gives the same job. Raises InvalidSpec, Refused, NotAllowed.
    """
    require(by, Right.START, dataset)
    if level not in ValidationLevel.values:
        known = ", ".join(ValidationLevel.values)
        raise InvalidSpec("level", f"There is no level “{level}”. Known are: {known}.")
    if not dataset.images.exists():
        raise Refused(f"Dataset “{dataset.name}” has no images to look at. Crawl some first.")
    return submit_once(
        submit_key,
        lambda key: validation.create(dataset, level, by=by, submit_key=key),
        by,
        submit_digest=submit_digest,
    )


def submit_repair(
    *,
    dataset: Dataset,
    image_id: int | None = None,
    by: User | None,
    submit_key: str = "",
    submit_digest: str = "",
) -> Job:
    """Stores a job that fetches the bytes of damaged images again: of one, or of all that a validation found.

    Only the very bytes that were kept are taken. Raises Refused, NotAllowed.
    """
    require(by, Right.START, dataset)
    if not repair.damaged(dataset.pk, image_id).exists():
        raise Refused("Nothing there is damaged, as far as validations have looked. Validate the dataset to be sure.")
    return submit_once(
        submit_key,
        lambda key: repair.create(dataset, image_id=image_id, by=by, submit_key=key),
        by,
        submit_digest=submit_digest,
    )


_AN = {Kind.CRAWL: "a", Kind.VALIDATE: "a", Kind.REPAIR: "a", Kind.EXPORT: "an"}


def submit_once(
    submit_key: str, create: Callable[[str | None], Job], by: User | None, *, submit_digest: str = ""
) -> Job:
    """Creates a job and begins it; a request that arrives twice makes one job. Raises InvalidSpec."""
    submitted = submitted_before(submit_key, submit_digest)
    if submitted is not None:
        return submitted
    try:
        with transaction.atomic():
            job = create(submit_key or None)
            if submit_digest:
                Job.objects.filter(pk=job.pk).update(submit_digest=submit_digest)
            activity.log(job.pk, f"Submitted by {by}." if by else "Submitted on the command line.")
            verb = Verb.EXPORTED if job.kind == Kind.EXPORT else Verb.STARTED
            words = f"Started {_AN[Kind(job.kind)]} {job.get_kind_display()}"
            audit.record(by, verb, words, dataset=job.dataset, job_id=job.pk)
            transaction.on_commit(lambda: _begin(job), robust=True)
    except IntegrityError:
        submitted = submitted_before(submit_key, submit_digest)
        if submitted is None:
            raise
        return submitted
    return job


def retry_job(*, job_id: int, by: User | None, reasons: Collection[str] = (), run: int | None = None) -> Job:
    """Runs again what failed or was not done; with `reasons` only the downloads that failed for one of them.

    `run` is the run that the caller saw: what was asked for twice is refused the second time. Raises Refused,
    InvalidSpec.
    """
    chosen = _checked_reasons(reasons)
    with transaction.atomic():
        job = _ended(job_id, run, by)
        said = f"Retry of {' and '.join(chosen)}" if chosen else "Retry"
        nothing = f"no download failed with {' or '.join(chosen)}" if chosen else _NOTHING_UNDONE[Kind(job.kind)]
        if not _starts_anew(job, reasons=chosen):
            opened = planner.reopen(job, planner.retryable_chunks(job)) + (0 if chosen else planner.go_on(job))
            if not opened:
                raise Refused(f"Job {job.pk} has nothing to retry: {nothing}.")
        return _begin_again(job, said, by)


_NOTHING_UNDONE = {
    Kind.CRAWL: "no chunk failed or was left undone, or its targets are met. Top it up, or run it again with changes",
    Kind.VALIDATE: "all of it was looked at. Start another validation to look again",
    Kind.REPAIR: "all of it was tried. Validate the dataset, then repair what is damaged still",
    Kind.EXPORT: "its files are there. Start another export for other files",
}


def retry_chunks(*, job_id: int, chunk_ids: Collection[int], by: User | None) -> Job:
    """Runs chunks of an ended job again, in one new run. Raises Refused."""
    with transaction.atomic():
        job = _ended(job_id, None, by)
        _starts_anew(job)
        if not planner.reopen(job, [chunk for chunk in planner.retryable_chunks(job) if chunk.pk in chunk_ids]):
            raise Refused(f"Job {job.pk} has nothing to retry there: it did not fail, or the label's target is met.")
        return _begin_again(job, "Retry", by)


def top_up(*, job_id: int, images: int, by: User | None, run: int | None = None) -> Job:
    """Looks for so many more images per label, in each source behind where it stopped; what failed is tried again too.

    `run` is the run that the caller saw: what was asked for twice is refused the second time. Raises Refused,
    InvalidSpec.
    """
    with transaction.atomic():
        job = _ended(job_id, run, by)
        if job.kind != Kind.CRAWL:
            raise Refused(f"Job {job.pk} is no crawl, so it looks for no images. Top up the crawl that kept them.")
        spec = CrawlSpec.from_json(job.spec)
        most = MAX_PER_LABEL - spec.per_label
        if not 1 <= images <= most:
            raise InvalidSpec("images", f"Ask for 1 to {most:,} more images per label.")
        if job.dry_run or not job.chunks.exists():
            raise Refused(
                f"Job {job.pk} kept nothing that could be topped up. Start a crawl with its settings instead."
            )
        _starts_anew(job)
        spec = replace(spec, per_label=spec.per_label + images)
        labels = job.targets.update(wanted=F("wanted") + images)
        Job.objects.filter(pk=job.pk).update(spec=spec.to_json(), wanted=F("wanted") + images * labels)
        if not planner.reopen(job, planner.retryable_chunks(job)) + planner.go_on(job):
            raise Refused(
                f"Every source of job {job.pk} has listed all it has. Run it again with other words or more sources."
            )
        return _begin_again(job, f"{images:,} more images per label", by)


def _checked_reasons(reasons: Collection[str]) -> list[str]:
    """The reasons, each once. Raises InvalidSpec."""
    for reason in reasons:
        if reason not in RETRYABLE:
            raise InvalidSpec(
                "reasons", f"A retry cannot help with “{reason}”. It may with: {', '.join(sorted(RETRYABLE))}."
            )
    return list(dict.fromkeys(reasons))


def _ended(job_id: int, run: int | None, by: User | None) -> Job:
    """The job, locked, if it may start again and is in the run that the caller saw. Raises Refused, NotAllowed."""
    job = _steered(job_id, by)
    if job.is_terminal and not job.has_whole_list:
        raise Refused(f"Job {job.pk} cannot be retried: its list of addresses was never whole. Submit the list again.")
    if not lifecycle.can_retry(job):
        raise Refused(f"Job {job.pk} is still {job.status}. Wait until it ends, or cancel it first.")
    if run is not None and run != job.run:
        raise Refused(f"Job {job.pk} was started again meanwhile (run {job.run}). Look at it before you ask once more.")
    return job


def _starts_anew(job: Job, *, reasons: Sequence[str] = ()) -> bool:
    """Moves the job back to its start, in a new run; True: it was never planned, so the first run begins once more."""
    never_planned = job.run == 1 and not job.chunks.exists()
    moved = lifecycle.move_job(
        job.pk,
        Status.PENDING,
        run=job.run if never_planned else job.run + 1,
        retry_reasons=list(reasons),
        cancel_requested_at=None,
        paused_at=None,
        published_at=None,
    )
    if not moved:
        raise Refused(f"Job {job.pk} was started by somebody else a moment ago.")
    job.refresh_from_db()
    return never_planned


def _steered(job_id: int, by: User | None) -> Job:
    """The job, locked, for somebody who may steer it. Raises NotAllowed."""
    job = Job.objects.select_for_update(no_key=True).get(pk=job_id)
    require(by, Right.STEER, job.dataset)
    return job


def _begin_again(job: Job, what: str, by: User | None) -> Job:
    verb = Verb.RETRIED if what.startswith("Retry") else Verb.STEERED
    audit.record(by, verb, what, dataset=job.dataset, job_id=job.pk)
    activity.log(job.pk, f"{what} asked for by {by or 'the command line'}.")
    job.refresh_from_db()
    if job.is_crawl:
        # Whoever asks again has mended what was wrong, or wants to know.
        sources = CrawlSpec.from_json(job.spec).sources
        transaction.on_commit(lambda: source_health.breaker().ask_again(sources), robust=True)
    transaction.on_commit(lambda: _begin(job), robust=True)
    return job


def cancel_job(*, job_id: int, by: User | None) -> Job:
    """Stops a job; what was kept so far stays. Chunks under way end within seconds. Raises Refused."""
    with transaction.atomic():
        job = _steered(job_id, by)
        if not lifecycle.can_cancel(job):
            raise Refused(f"Job {job.pk} is {job.status} already; there is nothing to cancel.")
        Job.objects.filter(pk=job_id).update(cancel_requested_at=Now())
        activity.log(job_id, f"Cancelled by {by or 'the command line'}.")
        audit.record(by, Verb.CANCELLED, "Cancelled", dataset=job.dataset, job_id=job_id)
        planner.cancel_pending(job_id)
        job.refresh_from_db()
        transaction.on_commit(lambda: progress.touch(job_id), robust=True)
    return job


def pause_job(*, job_id: int, by: User | None) -> Job:
    """Lets a job wait: no chunk of it is taken, those under way are handed back within seconds. Raises Refused."""
    with transaction.atomic():
        job = _steered(job_id, by)
        if not lifecycle.can_pause(job):
            raise Refused(f"Job {job.pk} cannot be paused: it has ended, or is paused or being cancelled already.")
        Job.objects.filter(pk=job_id).update(paused_at=Now())
        activity.log(job_id, f"Paused by {by or 'the command line'}.")
        audit.record(by, Verb.STEERED, "Paused", dataset=job.dataset, job_id=job_id)
        job.refresh_from_db()
        transaction.on_commit(lambda: progress.touch(job_id), robust=True)
    return job


def resume_job(*, job_id: int, by: User | None) -> Job:
    """Lets a paused job go on where it stopped. Raises Refused."""
    with transaction.atomic():
        job = _steered(job_id, by)
        if not lifecycle.can_resume(job):
            raise Refused(f"Job {job.pk} is not paused; there is nothing to resume.")
        Job.objects.filter(pk=job_id).update(paused_at=None)
        waiting = job.chunks.filter(status=Status.PENDING).order_by("id").values_list("pk", flat=True)
        chunk_ids = list(waiting[: doorbell.MAX_QUEUED])
        activity.log(job_id, f"Resumed by {by or 'the command line'}.")
        audit.record(by, Verb.STEERED, "Resumed", dataset=job.dataset, job_id=job_id)
        job.refresh_from_db()
        transaction.on_commit(lambda: _go_on(job, chunk_ids), robust=True)
    return job


def start_sample_crawl(by: User | None) -> Job:
    """A small crawl of drawn pictures that needs no network: something to watch on a new installation."""
    request = CrawlRequest(
        dataset="Sample shapes",
        keywords=("circles", "triangles", "stars"),
        sources=("sample",),
        per_label=12,
    )
    return submit_crawl(request, by=by)


def _go_on(job: Job, chunk_ids: list[int]) -> None:
    progress.touch(job.pk)
    if job.status == Status.PENDING:
        doorbell.ring_job(job.pk)
    doorbell.ring_chunks(chunk_ids)


def _begin(job: Job) -> None:
    progress.rebuild(job)
    if not doorbell.ring_job(job.pk):
        sentence = "The queue is unreachable. The job is stored, and starts by itself when the queue is back."
        activity.log(job.pk, sentence, level=Level.WARNING)
