"""What the page of a job asks of Redis to be drawn, by one round trip: each costs a poll as much as a small query."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from jobs import progress, source_health, watchers
from jobs.models import Job
from jobs.progress import Progress
from jobs.redis_store import RedisError, client
from jobs.source_lines import LeftAlone, sources_left_alone
from jobs.spec import CrawlSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """`poll_s` are the seconds until the page asks again; `left_alone` are those of its sources that rest."""

    progress: Progress
    poll_s: int = watchers.LEAST_S
    left_alone: Sequence[LeftAlone] = ()


def told(job: Job, *, ask_redis: bool) -> Told:
    """What is not known without Redis is read from the rows, or left out.

    `ask_redis` is False where it is known not to answer: asking again would cost another half second.
    """
    sources = CrawlSpec.from_json(job.spec).sources if job.is_crawl else ()
    if ask_redis:
        with suppress(RedisError), client().pipeline(transaction=False) as pipe:
            progress.ask(pipe, job.pk)
            watchers.ask(pipe, job.pk)
            source_health.ask(pipe, sources)
            answers = iter(pipe.execute())
            # In the order in which they were asked.
            return Told(
                progress=progress.told(job, answers),
                poll_s=watchers.poll_s(answers),
                left_alone=sources_left_alone(sources, answers),
            )
    return Told(progress=progress.of_rows(job))
