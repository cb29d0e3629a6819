"""What the overview tells: what runs and how long it will, and what needs somebody."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.urls import reverse

from datasets.cards import Card
from datasets.counting import EXACT_UP_TO, in_words
from jobs.models import Job, Status
from jobs.progress import Progress
from jobs.queries import done, status_word
from jobs.standing import Speed, speed
from jobs.words import StatusWord

#: Things that need somebody, on the overview; the lists of jobs and datasets have them all.
SHOWN_NEEDS = 6
_SHOWN_JOBS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A job under way; `stopped` counts its chunks that failed."""

    job: Job
    now: Progress
    word: StatusWord
    stopped: int
    speed: Speed | None
    seen_at: datetime

    @property
    def done(self) -> int:
        return done(self.job, self.now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What happened, what it means, and where it is mended."""

    what: str
    why: str
    link: str
    button: str
    icon: str
    css: str


def running(job: Job, now: Progress, *, stopped: int, seen_at: datetime) -> Running:
    return Running(
        job=job, now=now, word=status_word(job), stopped=stopped, speed=speed(job, done(job, now), seen_at),
        seen_at=seen_at,
    )  # fmt: skip


def needs(troubled: Sequence[Job], cards: Iterable[Card]) -> list[Need]:
    """Jobs that ended badly, then what waits in datasets: damage before look-alikes before licences."""
    found = [*map(_of_job, troubled[:_SHOWN_JOBS]), *(need for card in cards for need in _of_card(card))]
    return list(islice(found, SHOWN_NEEDS))


def _of_job(job: Job) -> Need:
    has_failed = job.status == Status.FAILED
    return Need(
        what=f"{job.dataset.name}, job {job.pk}",
        why=job.summary or "It ended with failures. Its page says which, and what to do.",
        link=job.get_absolute_url(),
        button="Look",
        icon="circle-x" if has_failed else "triangle-alert",
        css="bad" if has_failed else "warn",
    )


def _of_card(card: Card) -> Iterator[Need]:
    name, slug = card.dataset.name, card.dataset.slug
    if card.damaged:
        yield Need(
            what=f"{_number(card.damaged, 'file')} of {name} {'is' if card.damaged == 1 else 'are'} damaged or missing",
            why="Exports leave such files out. Most can be fetched again.",
            link=reverse("dataset-checks", args=[slug]),
            button="See checks",
            icon="circle-x",
            css="bad",
        )
    if card.undecided:
        yield Need(
            what=f"{_number(card.undecided, 'group')} of look-alikes in {name}",
            why="Alikes on both sides of a split flatter a model. Most groups need one key press.",
            link=reverse("dataset-duplicates", args=[slug]),
            button="Review",
            icon="copy",
            css="warn",
        )
    if card.unlicensed:
        yield Need(
            what=f"A part of {name} has no known licence"
            if card.unlicensed > EXACT_UP_TO
            else f"{card.unlicensed_share} of {name} has no known licence",
            why="Fine for a private test. Exports leave them out unless you take it on yourself.",
            link=reverse("dataset-report", args=[slug]),
            button="See report",
            icon="scale",
            css="warn",
        )


def _number(count: int, noun: str) -> str:
    return f"{in_words(count)} {noun}{'' if count == 1 else 's'}"
