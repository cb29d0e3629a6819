"""What a dry run says a crawl would come to: images, bytes and time, from what its lanes were seen to have.

A lane is taken to go on as it began: of the results that were not read, as many are of use as of those that were. Of
what is fetched as much is kept as of the pictures that were tried, over all lanes of a source. An address that more
than one lane lists counts once, for the first of them. Copies of one file under two addresses cannot be foreseen.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from jobs.forecast import duration_words, forecast
from jobs.look_models import Look
from jobs.models import Job
from jobs.spec import URL_LIST_SOURCE, CrawlSpec

#: Before any picture of a source was tried, it is as if so many had been tried and found sound: six that fail among six
#: say less than sixty among sixty.
_SOUND_BEFORE: Final = 20

#: Addresses that are remembered to count each once, some 70 bytes each.
_MOST_TAKEN: Final = 1_000_000
_ROWS_AT_ONCE: Final = 500

#: Labels that would stay short, of which a page tells.
_SHOWN_SHORT: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """A label that would get fewer images than it is to have."""

    label: str
    images: int
    wanted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What the crawl would come to; `short` are the first of `short_count` labels that would not get all."""

    images: int
    wanted: int
    size_bytes: int
    seconds: int
    short: Sequence[Short] = ()
    short_count: int = 0
    is_size_seen: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "short": [Short(**one) for one in data["short"]]})

    @property
    def duration(self) -> str:
        return duration_words(self.seconds)


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What the lanes of one source were seen to have, added up."""

    tried: int = 0
    sound: int = 0
    tried_bytes: int = 0
    tried_known: int = 0
    told_bytes: int = 0
    told_count: int = 0

    def add(self, look: Look) -> None:
        self.tried += len(look.samples)
        self.sound += sum(not sample["trouble"] for sample in look.samples)
        self.tried_bytes += sum(look.tried_bytes)
        self.tried_known += len(look.tried_bytes)
        self.told_bytes += look.told_bytes
        self.told_count += look.told_count

    @property
    def sound_rate(self) -> float:
        """The share of what is fetched that is kept."""
        return (_SOUND_BEFORE + self.sound) / (_SOUND_BEFORE + self.tried)

    @property
    def mean_bytes(self) -> float | None:
        """Of what the source tells, else of the pictures that were tried."""
        if self.told_count:
            return self.told_bytes / self.told_count
        return self.tried_bytes / self.tried_known if self.tried_known else None


@dataclass(slots=True, kw_only=True)
class _Sum:
    """What the crawl would come to, added up lane by lane; `taken` are addresses that an earlier lane gives."""

    wanted: int
    images_of: dict[str, float]
    size_bytes: float = 0.0
    taken: set[int] = field(default_factory=set)

    def add(self, look: Look, rate: float, mean_bytes: float) -> None:
        label = look.chunk.label
        left = self.wanted - self.images_of[label]
        if left <= 0 or not look.keys:
            return
        fresh = [key for key in (int(text, 16) for text in look.keys) if key not in self.taken]
        kept = min(_usable(look) * len(fresh) / len(look.keys) * rate, left)
        if len(self.taken) < _MOST_TAKEN:
            # The crawl stops at what it needs: what is listed behind stays free for other lanes.
            self.taken.update(fresh[: round(kept / rate)])
        self.images_of[label] += kept
        self.size_bytes += kept * mean_bytes


def of(job: Job) -> Outlook | None:
    """What a dry run's lanes add up to; None where none was looked at. Rows are read a piece at a time."""
    looks = Look.objects.filter(chunk__job=job).select_related("chunk").order_by("chunk_id").defer("chunk__traceback")
    spec, seen = CrawlSpec.from_json(job.spec), defaultdict[str, _Seen](_Seen)
    for look in looks.defer("keys", "chunk__traceback").iterator(_ROWS_AT_ONCE):
        seen[look.chunk.source].add(look)
    if not seen:
        return None
    guessed_bytes = forecast(images=0, keywords=0, per_label=0, sources=()).image_bytes
    added = _Sum(wanted=spec.per_label, images_of=dict.fromkeys(spec.labels, 0.0))
    for look in looks.iterator(_ROWS_AT_ONCE):
        source = seen[look.chunk.source]
        added.add(look, source.sound_rate, source.mean_bytes or guessed_bytes)
    images = round(sum(added.images_of.values()))
    short = [
        Short(label=label, images=round(found), wanted=spec.per_label)
        for label, found in added.images_of.items()
        if round(found) < spec.per_label
    ]
    searching = [source for source in spec.sources if source != URL_LIST_SOURCE]
    ahead = forecast(images=images, keywords=len(spec.keywords), per_label=spec.per_label, sources=searching)
    return Outlook(
        images=images,
        wanted=spec.per_label * len(spec.labels),
        size_bytes=round(added.size_bytes),
        seconds=ahead.seconds,
        short=short[:_SHOWN_SHORT],
        short_count=len(short),
        is_size_seen=all(source.mean_bytes is not None for source in seen.values()),
    )


def _usable(look: Look) -> float:
    """How many of the lane's results the crawl would fetch, were it to fetch all."""
    if look.is_whole or not look.seen:
        return look.usable
    return look.usable * look.results / look.seen
