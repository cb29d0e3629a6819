"""Live counters in Redis: a cache for pages that poll, rebuilt from the rows whenever it is missing.

One key changes with every write, whatever the job: pages that show many jobs ask it whether anything changed.
One hash per job: `version` (changes with every write), `ended` (the totals of all ended chunks), and the counters of
each chunk that is open and has found something: however many chunks a job has, a poll reads a handful of fields.
All are absolute, no increments, so that a write that is repeated or lost never makes them drift. Whenever a chunk ends
the hash is written anew from one look at the rows; `order` keeps an older look from replacing a newer one.

Beside each of these counters stands by reason what was left out (`why`, jobs/left_out.py). These numbers have to add up
to the counters; where they do not, they are counted from the rows. A sorted set has the newest pictures.
"""

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db.models import BigIntegerField, Case, F, Sum, Value, When

from jobs import brought, left_out, meter, newest, throughput
from jobs.brought import Brought
from jobs.models import OPEN, TERMINAL, Chunk, Job
from jobs.newest import SHOWN_PICTURES, Picture
from jobs.redis_store import RedisError, client

#: The ledger's numbers: what was found, and the outcomes that add up to it.
OUTCOME_COUNTERS = ("found", "kept", "duplicate", "rejected", "failed", "skipped")
COUNTERS = (*OUTCOME_COUNTERS, "size_bytes")
_FOUND, _KEPT = COUNTERS.index("found"), COUNTERS.index("kept")

#: The field that tells by reason what was left out of ended chunks; followed by an id, of an open one.
_WHY = "why"

#: Holds a token that every write to any job's counters replaces.
_ANY_JOB = "px:jobs"

#: A day after the last write nobody watches any more.
_EXPIRES_S = 86_400

#: A job that had nothing new for so long has stalled, and its pages say so.
STALLED_AFTER_S = 60

#: More than a job ever finds: a look of a later run is newer than every one of an earlier run.
_FOUND_PER_RUN = 2**32

#: KEYS: the hash. ARGV: order, seconds to live, then field and value in turn.
_REPLACE = """
local order = redis.call('HGET', KEYS[1], 'order')
if order and tonumber(order) > tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a job stands; `version` is "" where Redis has none, `quiet_s` the seconds since it last had news, or 0.

    `left_out` has by reason what its page tells of, `pictures` the newest ones; None: it is to be read from the rows.
    """

    status: str
    found: int
    kept: int
    duplicate: int
    rejected: int
    failed: int
    skipped: int
    size_bytes: int
    version: str
    from_redis: bool
    quiet_s: int = 0
    left_out: Mapping[str, int] | None = None
    pictures: Sequence[Picture] | None = None

    @property
    def has_stalled(self) -> bool:
        return self.quiet_s >= STALLED_AFTER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A job's counters as the rows have them: `ended` sums up the chunks that have ended, `open` has the others.

    Of two looks at one job the later has the higher `order` if a chunk that found anything ended or a run began in
    between.
    """

    order: int
    ended: Sequence[int]
    open: dict[int, Sequence[int]]

    @property
    def totals(self) -> dict[str, int]:
        return _summed([self.ended, *self.open.values()])


def look(job: Job, *, ended: Sequence[int] | None = None) -> Look:
    """Reads the counters of the job's chunks by one query; only of the open ones where those that have `ended` are
    summed up already."""
    counted = Chunk.objects.filter(job=job, found__gt=0)
    if ended is not None:
        counted = counted.filter(status__in=OPEN)
    parts = counted.order_by().values(
        part=Case(When(status__in=TERMINAL, then=Value(0)), default=F("pk"), output_field=BigIntegerField())
    )
    sums = parts.annotate(**{f"sum_{name}": Sum(name) for name in COUNTERS})
    found = {part: numbers for part, *numbers in sums.values_list("part", *(f"sum_{name}" for name in COUNTERS))}
    summed = found.pop(0, [0] * len(COUNTERS)) if ended is None else ended
    return Look(order=job.run * _FOUND_PER_RUN + summed[_FOUND], ended=summed, open=found)


def publish(chunk: Chunk) -> None:
    """Writes a chunk's counters; after a flushed Redis those of the whole job. Redis being away costs nothing."""
    key, field, why = _key(chunk.job_id), _field(chunk.pk), _why(chunk.pk)
    batch = brought.take(chunk.pk)
    try:
        ended, before, reasons = client().hmget(key, "ended", field, why)
        if ended is None:
            rebuild(chunk.job)
            return
        kept = chunk.kept - (int(before.split(",")[_KEPT]) if before else 0)
        values = {field: _packed([getattr(chunk, name) for name in COUNTERS])}
        now = _reasons_now(chunk, _unpacked(reasons), batch)
        if now or reasons:
            values[why] = _told_reasons(now)
        _write(chunk.job_id, values, kept=kept if chunk.job.is_crawl else 0, pictures=batch.pictures)
    except RedisError:
        return


def _reasons_now(chunk: Chunk, before: Counter[str], batch: Brought) -> Counter[str]:
    """By reason what was left out of a chunk that is ours, which nobody else adds to."""
    counters = {name: getattr(chunk, name) for name in COUNTERS}
    number = left_out.number_told(chunk.job.kind, counters)
    if batch.left_out is not None:
        now = before + batch.left_out
        if now.total() == number:
            return now
    return left_out.by_chunk(chunk.job.kind, [chunk.pk]).get(chunk.pk, Counter()) if number else Counter()


def rebuild(job: Job) -> None:
    """Writes the whole hash from the rows. Redis being away costs nothing."""
    show(job, look(job))


def show(job: Job, seen: Look) -> None:
    """Writes the whole hash from a look at the rows, unless a newer one is there. Redis being away costs nothing."""
    with suppress(RedisError):
        fields = {"order": str(seen.order), "ended": _packed(seen.ended), "version": _new_version()}
        fields |= {_field(chunk_id): _packed(numbers) for chunk_id, numbers in seen.open.items()}
        fields |= _reasons_of(job, seen, client().hgetall(_key(job.pk)))
        pairs = [text for field in fields.items() for text in field]
        pictures = newest.pictures_of(job.pk) if job.is_crawl and seen.totals["kept"] else []
        with _told() as pipe:
            pipe.eval(_REPLACE, 1, _key(job.pk), seen.order, _EXPIRES_S, *pairs)
            # Read from the rows, so that what was removed meanwhile is gone.
            pipe.delete(_pictures_key(job.pk))
            _add_pictures(pipe, job.pk, pictures)


def _reasons_of(job: Job, seen: Look, stored: Mapping[str, str]) -> dict[str, str]:
    """The fields that tell by reason what was left out: as they are told, where they fit the counters, else counted."""
    told = {name: _unpacked(packed) for name, packed in stored.items() if name.split(":")[0] == _WHY}
    open_ones = {_why(chunk_id): told.pop(_why(chunk_id), Counter()) for chunk_id in seen.open}
    # What is told of a chunk that is not open any more belongs to those that have ended.
    ended: Counter[str] = sum(told.values(), Counter())
    if ended.total() != _number_told(job, seen.ended):
        ended = left_out.of_job(job.kind, job.pk, but=list(seen.open))
    doubtful = [pk for pk, numbers in seen.open.items() if open_ones[_why(pk)].total() != _number_told(job, numbers)]
    if doubtful:
        counted = left_out.by_chunk(job.kind, doubtful)
        open_ones |= {_why(chunk_id): counted.get(chunk_id, Counter()) for chunk_id in doubtful}
    return {name: _told_reasons(reasons) for name, reasons in {_WHY: ended, **open_ones}.items() if reasons}


def _number_told(job: Job, counters: Sequence[int]) -> int:
    return left_out.number_told(job.kind, dict(zip(COUNTERS, counters, strict=True)))


#: Hashes that told other totals than the rows at the last look, by job, with the version they had.
_doubtful: dict[int, str] = {}


def repair(job: Job) -> bool:
    """Rebuilds a hash that is missing, or that has told other totals than the rows for two calls on end.

    Says whether it did. Once is no proof: a worker writes the rows first and the hash a moment later.
    """
    try:
        stored = client().hgetall(_key(job.pk))
    except RedisError:
        return False
    seen = look(job)
    doubted = _doubtful.pop(job.pk, None)
    if "ended" in stored:
        if _totals_told(stored) == seen.totals:
            return False
        if stored["version"] != doubted:
            _doubtful[job.pk] = stored["version"]
            return False
    show(job, seen)
    return True


def touch(job_id: int) -> None:
    """Tells watching pages that something of the job changed."""
    key = _key(job_id)
    try:
        if client().hexists(key, "ended"):
            _write(job_id, {})
        else:
            client().set(_ANY_JOB, _new_version())
    except RedisError:
        return


def version_of_all() -> str | None:
    """A token that changes whenever anything of any job changes; None: Redis is away."""
    try:
        token: str | None = client().get(_ANY_JOB)
        if token is None:
            client().set(_ANY_JOB, _new_version(), nx=True)
            token = client().get(_ANY_JOB)
        return token
    except RedisError:
        return None


def version(job_id: int) -> str | None:
    """A token that changes whenever anything of the job changes, and when nothing did for long.

    None: Redis is away or has none.
    """
    try:
        with client().pipeline(transaction=False) as pipe:
            ask_version(pipe, job_id)
            return version_told(iter(pipe.execute()))
    except RedisError:
        return None


def ask_version(pipe: Any, job_id: int) -> None:
    """Asks for the job's version, as a part of what is asked anyway."""
    pipe.hget(_key(job_id), "version")
    pipe.ttl(_key(job_id))


def version_told(answers: Iterator[Any]) -> str | None:
    """The version that the answers to `ask_version`, which come next, tell."""
    token, lives_s = islice(answers, 2)
    return f"{token}-stalled" if token and _quiet_s(lives_s) >= STALLED_AFTER_S else token


def read(job: Job, *, ask_redis: bool = True) -> Progress:
    """Redis first while the job runs, the rows where Redis has nothing or the job has ended.

    `ask_redis` is False where it is known not to answer: asking again would cost another half second.
    """
    if ask_redis and not job.is_terminal:
        with suppress(RedisError), client().pipeline(transaction=False) as pipe:
            ask(pipe, job.pk)
            return told(job, iter(pipe.execute()))
    return of_rows(job)


def ask(pipe: Any, job_id: int) -> None:
    """Asks for what `told` says, as a part of what is asked anyway."""
    pipe.hgetall(_key(job_id))
    pipe.ttl(_key(job_id))
    pipe.zrange(_pictures_key(job_id), 0, SHOWN_PICTURES - 1, desc=True)


def told(job: Job, answers: Iterator[Any]) -> Progress:
    """Where the job stands by the answers to `ask`, which come next; by the rows where they do not say."""
    stored, lives_s, members = islice(answers, 3)
    if job.is_terminal or "ended" not in stored:
        return of_rows(job)
    totals: dict[str, Any] = _totals_told(stored)
    parted = (member.partition(" ") for member in members)
    pictures = [Picture(pk=int(pk), label=label) for pk, _, label in parted]
    return Progress(
        status=job.status,
        version=stored["version"],
        from_redis=True,
        quiet_s=_quiet_s(lives_s),
        left_out=_reasons_told(job, stored, totals),
        pictures=pictures if pictures or not totals["kept"] else None,
        **totals,
    )


def of_rows(job: Job) -> Progress:
    """Where the job stands by its row once it has ended, by those of its chunks before."""
    totals: dict[str, Any] = {name: getattr(job, name) for name in COUNTERS} if job.is_terminal else look(job).totals
    return Progress(status=job.status, version="", from_redis=False, **totals)


def _quiet_s(lives_s: int) -> int:
    """Seconds since the last write, on Redis' own clock: every write lets the hash live anew."""
    return max(0, _EXPIRES_S - lives_s) if lives_s >= 0 else 0


def _totals_told(stored: Mapping[str, str]) -> dict[str, int]:
    counters = (value for name, value in stored.items() if name == "ended" or name.startswith("chunk:"))
    return _summed([int(number) for number in packed.split(",")] for packed in counters)


def _reasons_told(job: Job, stored: Mapping[str, str], totals: Mapping[str, int]) -> Counter[str] | None:
    """By reason what was left out; None where that does not add up to the counters."""
    reasons: Counter[str] = Counter()
    for name, packed in stored.items():
        if name.startswith(_WHY):
            reasons.update(_unpacked(packed))
    return reasons if reasons.total() == left_out.number_told(job.kind, totals) else None


def _summed(parts: Iterable[Sequence[int]]) -> dict[str, int]:
    totals = [sum(numbers) for numbers in zip(*parts, strict=True)]
    return dict(zip(COUNTERS, totals, strict=True))


def _write(job_id: int, values: dict[str, str], *, kept: int = 0, pictures: Sequence[Picture] = ()) -> None:
    """`kept` images more than at the last write are noted for the curve of the overview."""
    with _told() as pipe:
        pipe.hset(_key(job_id), mapping={**values, "version": _new_version()})
        pipe.expire(_key(job_id), _EXPIRES_S)
        _add_pictures(pipe, job_id, pictures)
        throughput.note(pipe, kept)


def _add_pictures(pipe: Any, job_id: int, pictures: Sequence[Picture]) -> None:
    """Whoever adds what, and in whatever order: the newest stay."""
    if pictures:
        pipe.zadd(_pictures_key(job_id), {f"{one.pk} {one.label}": one.pk for one in pictures[-SHOWN_PICTURES:]})
        pipe.zremrangebyrank(_pictures_key(job_id), 0, -SHOWN_PICTURES - 1)
        pipe.expire(_pictures_key(job_id), _EXPIRES_S)


@contextmanager
def _told() -> Iterator[Any]:
    """A write that pages hear of, and that takes the counters of /metrics along. Raises RedisError."""
    counted = meter.take()
    try:
        with client().pipeline(transaction=True) as pipe:
            yield pipe
            pipe.set(_ANY_JOB, _new_version())
            meter.put(pipe, counted)
            pipe.execute()
    except RedisError:
        meter.note(counted)
        raise


def _new_version() -> str:
    return secrets.token_hex(6)


def _packed(numbers: Iterable[int]) -> str:
    return ",".join(str(number) for number in numbers)


def _told_reasons(reasons: Mapping[str, int]) -> str:
    return ",".join(f"{reason}={number}" for reason, number in reasons.items())


def _unpacked(told: str | None) -> Counter[str]:
    parts = (part.partition("=") for part in (told or "").split(",") if part)
    return Counter({reason: int(number) for reason, _, number in parts})


def _key(job_id: int) -> str:
    return f"px:job:{job_id}"


def _pictures_key(job_id: int) -> str:
    return f"px:job:{job_id}:pictures"


def _why(chunk_id: int) -> str:
    return f"{_WHY}:{chunk_id}"


def _field(chunk_id: int) -> str:
    return f"chunk:{chunk_id}"
