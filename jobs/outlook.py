"""What a dry run says a crawl would come to: images, bytes and time, from what its lanes were seen to have.

A lane is taken to go on as it began: of the results that were not read, as many are of use as of those that were. Of
what is fetched as much is kept as of the pictures that were tried, over all lanes of a source. An address that more
than one lane lists counts once, for the first of them. Copies of one file under two addresses cannot be foreseen.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from jobs.forecast import duration_words, forecast
from jobs.look_models import Look
from jobs.models import Job
from jobs.spec import URL_LIST_SOURCE, CrawlSpec

#: Before any picture of a source was tried, it is as if so many had been tried and found sound: six that fail among six
#: say less than sixty among sixty.
_SOUND_BEFORE: Final = 20

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
class _Sum:
    """What is added up over the lanes."""

    images: float = 0.0
    size_bytes: float = 0.0
    taken: set[str] = field(default_factory=set)


def of(job: Job) -> Outlook | None:
    """What a dry run's lanes add up to; None where none of them was looked at. A query or four."""
    looks = list(Look.objects.filter(chunk__job=job).select_related("chunk").order_by("chunk_id"))
    if not looks:
        return None
    spec = CrawlSpec.from_json(job.spec)
    rates, means = _sound_rates(looks), _mean_bytes(looks)
    general = forecast(images=0, keywords=0, per_label=0, sources=()).image_bytes
    by_label: dict[str, list[Look]] = {label: [] for label in spec.labels}
    for look in looks:
        by_label[look.chunk.label].append(look)
    added, short = _Sum(), []
    for label, lanes in by_label.items():
        images = round(_add_label(added, lanes, spec.per_label, rates, {"": general, **means}))
        if images < spec.per_label:
            short.append(Short(label=label, images=images, wanted=spec.per_label))
    images = round(added.images)
    searching = [source for source in spec.sources if source != URL_LIST_SOURCE]
    seconds = forecast(images=images, keywords=len(spec.keywords), per_label=spec.per_label, sources=searching).seconds
    return Outlook(
        images=images,
        wanted=spec.per_label * len(spec.labels),
        size_bytes=round(added.size_bytes),
        seconds=seconds,
        short=short[:_SHOWN_SHORT],
        short_count=len(short),
        is_size_seen=bool(means),
    )


def _add_label(
    added: _Sum, lanes: Iterable[Look], wanted: int, rates: Mapping[str, float], means: Mapping[str, float]
) -> float:
    """Adds what the label's lanes give, until it has all; gives its images."""
    images = 0.0
    for look in lanes:
        if images >= wanted:
            break
        source = look.chunk.source
        fresh = [key for key in look.keys if key not in added.taken]
        rate = rates[source]
        found = _usable(look) * (len(fresh) / len(look.keys) if look.keys else 0.0)
        kept = min(found * rate, wanted - images)
        # The crawl stops at what it needs: what is listed behind stays free for other lanes.
        added.taken.update(fresh[: round(kept / rate)] if rate else ())
        images += kept
        added.images += kept
        added.size_bytes += kept * means.get(source, means[""])
    return images


def _usable(look: Look) -> float:
    """How many of the lane's results the crawl would fetch, were it to fetch all."""
    if look.is_whole or not look.seen:
        return look.usable
    return look.usable * look.results / look.seen


def _sound_rates(looks: Iterable[Look]) -> dict[str, float]:
    """By source, the share of what is fetched that is kept."""
    sound: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    for look in looks:
        sound[look.chunk.source] += sum(not sample["trouble"] for sample in look.samples)
        tried[look.chunk.source] += len(look.samples)
    return {source: (_SOUND_BEFORE + sound[source]) / (_SOUND_BEFORE + n) for source, n in tried.items()}


def _mean_bytes(looks: Iterable[Look]) -> dict[str, float]:
    """By source, the mean of the bytes that it tells, else of the pictures that were tried."""
    told: Counter[str] = Counter()
    count: Counter[str] = Counter()
    tried: dict[str, list[int]] = {}
    for look in looks:
        told[look.chunk.source] += look.told_bytes
        count[look.chunk.source] += look.told_count
        tried.setdefault(look.chunk.source, []).extend(look.tried_bytes)
    means = {source: sum(sizes) / len(sizes) for source, sizes in tried.items() if sizes}
    return means | {source: told[source] / n for source, n in count.items() if n}
