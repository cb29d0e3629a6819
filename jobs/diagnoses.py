"""What can be wrong with the things that PixCrawler runs on, each rule and its words once: facts in, a diagnosis out.

The doctor prints them (pixcrawler/doctor.py), pages show the ones that are not OK (jobs/banners.py), and
`manage.py check` and the workers' start warn with them (pixcrawler/checks.py). jobs/examination.py learns the facts.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import redis

#: Of the clocks of this machine, the database and Redis.
LARGEST_SKEW_S = 5.0
#: Below that a picture more or less is all that is between a crawl and a full disk.
LEAST_FREE_BYTES = 2_000_000_000
#: The scheduler makes a pass every few seconds; after so many missed ones it counts as silent.
_MISSED_PASSES = 6
#: A chunk may wait so long while workers are busy, and so long while none of them has anything to do.
LONGEST_WAIT_BUSY_S = 900
LONGEST_WAIT_IDLE_S = 60
_OLDEST_REDIS = (6, 0)


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What one check found: what is so, what that means, and what to do next; the last three are "" where all is well.

    `step` is a sentence, and ends in a colon where `command` follows it. `command` can be copied as it stands.
    """

    check: str
    level: Level
    finding: str
    meaning: str = ""
    step: str = ""
    command: str = ""

    @property
    def mend(self) -> str:
        """The step and its command in one line."""
        return f"{self.step} {self.command}".strip()


def ok(check: str, finding: str) -> Diagnosis:
    return Diagnosis(check=check, level=Level.OK, finding=finding)


def warning(check: str, finding: str, *, meaning: str, step: str, command: str = "") -> Diagnosis:
    return Diagnosis(check=check, level=Level.WARNING, finding=finding, meaning=meaning, step=step, command=command)


def problem(check: str, finding: str, *, meaning: str, step: str, command: str = "") -> Diagnosis:
    return Diagnosis(check=check, level=Level.PROBLEM, finding=finding, meaning=meaning, step=step, command=command)


# -- Decoding ------------------------------------------------------------------------------------------------------


def decoder(*, trouble: str, seconds: float) -> Diagnosis:
    """`trouble` is what went wrong with a picture that was decoded for a try, "" where nothing did."""
    if not trouble:
        return ok("decoder", f"A decoder process started and decoded a picture in {seconds:.1f} s.")
    return problem(
        "decoder",
        f"No picture can be decoded here. {trouble}",
        meaning="Chunks fail, or their pictures end as decoder_crashed.",
        step="Mend what it says; where a package is missing or broken, install them again:",
        command="make setup",
    )


# -- Redis ---------------------------------------------------------------------------------------------------------


def redis_away(error: Exception, *, address: str) -> Diagnosis:
    """Redis does not do its part; `error` tells a refused connection from a wrong password and a frozen server."""
    why, step, command = _why_redis_is_away(error)
    return problem(
        "redis",
        f"Redis at {address} does not answer ({why}), so the queue is unreachable.",
        meaning="You can look around; what you start is stored, and begins by itself when Redis is back.",
        step=step,
        command=command,
    )


_START_REDIS = "Mend CELERY_BROKER_URL if that is not its address; else start it (make run brings its own):"


def _why_redis_is_away(error: Exception) -> tuple[str, str, str]:
    """The reason, the step and its command. The order counts: some of redis-py's errors are kinds of others."""
    if isinstance(error, redis.AuthenticationError):
        step = "Write the password into CELERY_BROKER_URL (redis://:password@host:6379/1), and restart."
        return "it wants another password", step, ""
    if isinstance(error, redis.BusyLoadingError):
        return "it still reads its files", "Wait until it has read them.", ""
    if isinstance(error, redis.TimeoutError):
        step = "See whether its process or machine is frozen or overloaded; if need be restart it:"
        return "no answer in time", step, "redis-server"
    # Such as: Error 111 connecting to cache:6379. Connection refused.
    gist = str(error).rstrip(".").rpartition(". ")[2]
    if isinstance(error, redis.ConnectionError):
        why = "connection refused" if gist in {"Connection refused", "No such file or directory"} else gist
        return why, _START_REDIS, "redis-server"
    return gist, "See the log of the Redis server, and CELERY_BROKER_URL.", ""


def redis_version(version: str, *, address: str) -> Diagnosis:
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if numbers >= _OLDEST_REDIS:
        return ok("redis", f"Version {version} answers at {address}.")
    return problem(
        "redis",
        f"Redis {version} at {address} is too old.",
        meaning="Commands that PixCrawler needs are missing.",
        step="Install Redis 6 or newer, or Valkey, and restart.",
    )


def eviction(policy: str) -> Diagnosis:
    """`allkeys-…` may drop the queue itself; `volatile-…` only what expires, all of which is rebuilt; "" is untold."""
    if not policy:
        return ok("redis eviction", "Redis does not tell its policy.")
    if not policy.startswith("allkeys-"):
        return ok("redis eviction", f"The policy {policy} never drops messages.")
    return problem(
        "redis eviction",
        f"Redis may drop messages: its eviction policy is {policy}.",
        meaning="When its memory is full it throws away the queue; the scheduler sends it again, which takes time.",
        step="Tell it to keep everything, and write the same into its configuration file:",
        command="redis-cli config set maxmemory-policy noeviction",
    )


def persistence(*, appends: bool) -> Diagnosis:
    if appends:
        return ok("redis persistence", "Messages are appended to disk.")
    return warning(
        "redis persistence",
        "Redis keeps its messages in memory alone.",
        meaning="A restart forgets them; the scheduler sends them again.",
        step="Let it append them to disk, and write the same into its configuration file:",
        command="redis-cli config set appendonly yes",
    )


# -- Workers and scheduler -----------------------------------------------------------------------------------------


def workers(alive: int, *, waiting: int = 0, since: datetime | None = None) -> Diagnosis:
    """`waiting` chunks have been due since then."""
    if alive:
        return ok("workers", f"{alive} alive.")
    wait = f"{waiting:,} {'chunk waits' if waiting == 1 else 'chunks wait'}" if waiting else "Whatever is started waits"
    return problem(
        "workers",
        "No worker is running, so nothing is being crawled.",
        meaning=f"{wait}{f' since {since:%H:%M} UTC' if since else ''}; tasks stay PENDING.",
        step="Start one on the server:",
        command="python manage.py runworker",
    )


def worker_code(worker: str, missing: Collection[str]) -> Diagnosis:
    """`missing` are tasks of ours that the worker does not have."""
    if not missing:
        return ok("worker code", f"{worker} knows every task.")
    return problem(
        "worker code",
        f"Worker {worker} runs old or other code: it does not know {_listed(missing)}.",
        meaning="It throws such messages away as unregistered tasks; the scheduler has to send them again.",
        step="Stop that worker, bring it to this code, and start it again:",
        command="python manage.py runworker",
    )


def pools(by_worker: Mapping[str, str], *, system: str) -> Diagnosis:
    """Whether the workers' pools (such as `prefork`, by worker) run on that operating system."""
    if system != "Windows":
        return ok("pool", f"Any pool works on {system}.")
    forking = sorted(worker for worker, pool in by_worker.items() if pool == "prefork")
    if not forking:
        return ok("pool", "No worker uses the prefork pool, which Windows cannot run.")
    return problem(
        "pool",
        f"Worker {_listed(forking)} uses the prefork pool on Windows.",
        meaning="Windows cannot fork: every task fails with “ValueError: not enough values to unpack”.",
        step="Stop it, and start it with the solo pool:",
        command="python manage.py runworker",
    )


def scheduler(silent_s: int | None, *, interval_s: float) -> Diagnosis:
    """`silent_s` since the last pass, None: there was none. `interval_s` between passes."""
    if silent_s is not None and silent_s <= _MISSED_PASSES * max(1.0, interval_s):
        return ok("scheduler", f"Its last pass was {silent_s} s ago.")
    # A moment, not a duration: a banner that changed with every poll would be read aloud again each time.
    since = None if silent_s is None else datetime.now(UTC) - timedelta(seconds=silent_s)
    return problem(
        "scheduler",
        f"The scheduler {f'has been silent since {since:%H:%M} UTC' if since else 'has not been seen'}.",
        meaning="Lost messages are not sent again, and what a dead worker held stays with it.",
        step="Start it on the server:",
        command="python manage.py runscheduler",
    )


# -- Queue ---------------------------------------------------------------------------------------------------------


def queue(*, messages: int, waiting: int, running: int, oldest_s: int, workers_alive: int) -> Diagnosis:
    """Depth and age: messages in Redis, chunks that are due, and for how long the oldest of them has been."""
    depth = f"{messages:,} messages and {waiting:,} chunks wait{f', the oldest for {oldest_s:,} s' if waiting else ''}"
    if not workers_alive or oldest_s <= (LONGEST_WAIT_BUSY_S if running else LONGEST_WAIT_IDLE_S):
        return ok("queue", f"{depth}.")
    if running:
        return warning(
            "queue",
            f"{depth} while {workers_alive} workers are alive and {running:,} chunks run.",
            meaning="There is more work than workers. Nothing is lost; everything takes its turn.",
            step="For more speed start another worker:",
            command="python manage.py runworker",
        )
    return warning(
        "queue",
        f"{depth} although {workers_alive} workers are alive and idle.",
        meaning="They serve another queue, Redis or database, or they hang.",
        step="Compare their settings with this machine's, then restart them with this project's queue:",
        command="python manage.py runworker",
    )


def queue_content(refused: Mapping[str, str]) -> Diagnosis:
    """`refused` names messages that are not JSON: content type -> who sent it."""
    if not refused:
        return ok("queue content", "Messages are JSON.")
    kinds = ", ".join(f"{kind} from {sender}" for kind, sender in sorted(refused.items()))
    return problem(
        "queue content",
        f"Some messages of the last minutes are not JSON ({kinds}).",
        meaning="Workers refuse their content (“Refusing to deserialize”): those tasks never run.",
        step="Run the sender with this project's settings (DJANGO_SETTINGS_MODULE unset), or give it another Redis.",
    )


def queue_tasks(unknown: Collection[str]) -> Diagnosis:
    """`unknown` are names of tasks that messages ask for and this code does not have."""
    if not unknown:
        return ok("queue tasks", "Messages name known tasks.")
    return problem(
        "queue tasks",
        f"Some messages of the last minutes ask for {_listed(unknown)}, which this code does not know.",
        meaning="Workers throw them away as unregistered tasks. Other code or another program sends into this queue.",
        step="Bring every process to one version and restart them, or give the other program another Redis.",
    )


# -- Sources -------------------------------------------------------------------------------------------------------


def source_keys(unreadable: Collection[str], *, stored: int) -> Diagnosis:
    """`unreadable` are names of stored keys that cannot be decrypted, such as “openverse: token”."""
    if not unreadable:
        return ok("source keys", f"{stored} stored, and all can be read." if stored else "None is stored.")
    return problem(
        "source keys",
        f"The stored key of {_listed(unreadable)} cannot be read: SECRET_KEY is not the one that encrypted it.",
        meaning="These sources are asked without their key, or not at all.",
        step="Put the SECRET_KEY of before into SECRET_KEY_FALLBACKS, restart, and encrypt the keys anew; else enter "
        "them again in the admin. The command:",
        command="python manage.py sourcekeys --rotate",
    )


def sources(resting: Mapping[str, str], *, asked: int) -> Diagnosis:
    """`resting` are names of sources that are left alone, with what is wrong; `asked` is how many answered lately."""
    if not resting:
        return ok("sources", f"None is left alone; {asked} answered within the last hour.")
    told = "; ".join(f"{title} {trouble}" for title, trouble in sorted(resting.items())[:3])
    return warning(
        "sources",
        f"{len(resting)} left alone by all workers: {told}.",
        meaning="Their chunks wait, and fail after a while; a retry brings the rest when they are back.",
        step="The page Sources has each one's words; ask one again by:",
        command=f"python manage.py sources --check {min(resting)}",
    )


# -- Storage and clocks --------------------------------------------------------------------------------------------


def storage(*, trouble: str, free_bytes: int | None, folder: str) -> Diagnosis:
    """`trouble` says what went wrong when a file was written, "" where nothing did."""
    if trouble:
        return problem(
            "storage",
            "Pictures cannot be stored.",
            meaning=f"{trouble} Crawls stop with storage_full or storage_unavailable; what was kept stays.",
            step=f"See that {folder} is mounted, writable for the worker and has space:",
            command=f"df -h {folder}",
        )
    if free_bytes is None:
        return ok("storage", f"{folder} is writable.")
    if free_bytes < LEAST_FREE_BYTES:
        return warning(
            "storage",
            f"The disk is nearly full: {_gigabytes(free_bytes)} are free.",
            meaning="Crawls stop when nothing is left; what was kept stays.",
            step="Free some space there, or move the data folder to a larger disk (PIXCRAWLER_DATA_DIR):",
            command=f"df -h {folder}",
        )
    return ok("storage", f"{folder} is writable, {_gigabytes(free_bytes)} are free.")


def bucket(*, trouble: str, free_bytes: int | None, place: str, folder: str) -> Diagnosis:
    """As `storage`, where pictures lie in a bucket; exports are written in `folder` before they go there."""
    if trouble:
        return problem(
            "storage",
            "Pictures cannot be stored.",
            meaning=f"{trouble} Crawls stop with storage_full or storage_unavailable; what was kept stays.",
            step="Mend what it says, then look again:",
            command="python manage.py doctor",
        )
    if free_bytes is not None and free_bytes < LEAST_FREE_BYTES:
        return warning(
            "storage",
            f"{place} is writable, but the disk is nearly full: {_gigabytes(free_bytes)} are free.",
            meaning="Exports are written there before they go into the bucket; larger ones stop.",
            step="Free some space there, or move the data folder to a larger disk (PIXCRAWLER_DATA_DIR):",
            command=f"df -h {folder}",
        )
    return ok("storage", f"{place} is writable.")


def clocks(first: str, second: str, *, skew_s: float) -> Diagnosis:
    if abs(skew_s) <= LARGEST_SKEW_S:
        return ok("clocks", f"{first} and {second} differ by {abs(skew_s):.1f} s.")
    return warning(
        "clocks",
        f"The clocks of {first} and {second} differ by {abs(skew_s):,.0f} s.",
        meaning="Leases run on the database's clock and are safe; times shown and messages sent again are off.",
        step="Set both by NTP, for example:",
        command="timedatectl set-ntp true",
    )


def _listed(names: Collection[str]) -> str:
    shown = sorted(names)[:3]
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB"
