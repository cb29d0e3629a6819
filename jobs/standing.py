"""How a job stands, in the words beside its bar: each state once."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from jobs.models import Job, Status
from jobs.progress import Progress

#: A pace is told once so many images were kept in so many seconds: before, it would jump.
_PACE_FROM_KEPT = 5
_PACE_FROM_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`words` stand beside the bar. `trouble` is a note of its own: what happened, what it means, what to do."""

    words: str
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a job depends on: whether the queue answers, how many workers live, how many jobs are in front of it."""

    has_queue: bool
    workers: int
    jobs_ahead: int


def standing(
    job: Job, now: Progress, *, running: int, ended: int, pace: str, around: Around, seen_at: datetime
) -> Standing:
    """`running` and `ended` count the job's chunks; `pace` is the speed and what is left, "" where it is not known."""
    if job.is_terminal:
        return Standing(words=f"took {lasted(job.started_at or job.created_at, job.finished_at or seen_at)}")
    if not job.has_whole_list:
        return Standing(words=f"storing the list: {job.listed_count:,} addresses so far")
    if job.cancel_requested_at is not None:
        return Standing(words=f"cancelling: {_chunks(running)} what it holds" if running else "cancelling")
    if job.paused_at is not None:
        return Standing(words=f"paused since {job.paused_at:%H:%M} UTC")
    if not around.has_queue:
        return Standing(words="waits: the queue does not answer")
    if not around.workers:
        return Standing(words="waits for a worker")
    if job.status == Status.PENDING or job.started_at is None:
        return Standing(words=_in_queue(around.jobs_ahead))
    if not now.found and not ended:
        return Standing(words="starting: the first chunk is under way" if running else "starting: a chunk waits")
    if now.has_stalled:
        return _stalled(seen_at - timedelta(seconds=now.quiet_s))
    since = f"running for {lasted(job.started_at, seen_at)}"
    return Standing(words=f"{since} · {pace}" if pace else since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Images done per second since the start, and when the target is met at that pace (None: it is met)."""

    images_per_s: float
    done_at: datetime | None


def speed(job: Job, done: int, seen_at: datetime) -> Speed | None:
    """None where it would mislead: too early, halted, a second run."""
    is_going = job.status == Status.PROCESSING and not job.cancel_requested_at and not job.paused_at
    if not is_going or job.run > 1 or job.started_at is None:
        return None
    seconds, missing = (seen_at - job.started_at).total_seconds(), job.wanted - done
    if done < _PACE_FROM_KEPT or seconds < _PACE_FROM_S:
        return None
    pace = done / seconds
    return Speed(images_per_s=pace, done_at=seen_at + timedelta(seconds=missing / pace) if missing > 0 else None)


def lasted(start: datetime, end: datetime) -> str:
    """The time between two moments for people, such as 8 min, 42 s or under 1 s."""
    seconds = max(0, int((end - start).total_seconds()))
    if seconds < 90:
        return f"{seconds} s" if seconds else "under 1 s"
    return f"{round(seconds / 60)} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def _in_queue(jobs_ahead: int) -> str:
    if not jobs_ahead:
        return "next in the queue: starts when a worker is free"
    return f"{jobs_ahead:,} {'job is' if jobs_ahead == 1 else 'jobs are'} in front: starts when a worker is free"


def _chunks(running: int) -> str:
    return "a chunk finishes" if running == 1 else f"each of {running:,} chunks finishes"


def _stalled(since: datetime) -> Standing:
    return Standing(
        words=f"nothing new since {since:%H:%M} UTC",
        trouble=f"Nothing new since {since:%H:%M} UTC. Sites answer slowly or ask for a pause, and the job goes on by "
        "itself; what waits, and why, stands below. If it lasts, System tells whether the workers are well.",
    )
