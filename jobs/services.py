"""What people may do to jobs: the same verbs for pages, admin, commands and the API. Crawls: jobs.crawl_services.

One transaction each; messages are sent after the commit, and a queue that is away never makes a verb fail.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from datasets import audit
from datasets.access import Right, require
from datasets.audit_models import Verb
from datasets.models import Dataset, ValidationLevel
from datasets.outcomes import RETRYABLE
from jobs import activity, doorbell, lifecycle, planner, progress, source_health
from jobs.models import Job, Kind, Level, Status
from jobs.plans import repair, validation
from jobs.spec import (
    MAX_PER_LABEL,
    CrawlSpec,
    InvalidSpec,
)


class Refused(Exception):
    """What was asked for cannot be done in the state things are in; the message says why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def submitted_before(submit_key: str, submit_digest: str = "") -> Job | None:
    """The job that was stored under the key. Raises InvalidSpec where that was asked for something else."""
    job = Job.objects.filter(submit_key=submit_key).first() if submit_key else None
    if job is not None and submit_digest != job.submit_digest:
        raise InvalidSpec(
            "Idempotency-Key",
            f"This key was used for another request, which made job {job.pk}. Send a new key with a new request.",
        )
    return job


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
            transaction.on_commit(lambda: begin(job), robust=True)
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
        outlook=None,
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
    transaction.on_commit(lambda: begin(job), robust=True)
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


def _go_on(job: Job, chunk_ids: list[int]) -> None:
    progress.touch(job.pk)
    if job.status == Status.PENDING:
        doorbell.ring_job(job.pk)
    doorbell.ring_chunks(chunk_ids)


def begin(job: Job) -> None:
    """Shows the job and asks the workers to begin, after the commit that made it."""
    progress.rebuild(job)
    if not doorbell.ring_job(job.pk):
        sentence = "The queue is unreachable. The job is stored, and starts by itself when the queue is back."
        activity.log(job.pk, sentence, level=Level.WARNING)
