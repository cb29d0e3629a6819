"""About how much disk and time a crawl would take, from what this installation has done so far."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F, Sum

from datasets import blobs
from datasets.models import Dataset
from jobs import diagnoses, system_state, wiring
from jobs.models import Job, Kind, Status

#: Where there are fewer images or crawls to learn from, these are assumed: a photograph of one megapixel as the web has
#: them, and what one worker gets from a few polite sites.
ASSUMED_IMAGE_BYTES = 400_000
ASSUMED_IMAGES_PER_S = 2.0

_LEARN_FROM_IMAGES = 100
_LEARN_FROM_JOBS = 10
#: A crawl that kept fewer says more of its start than of its pace.
_LEAST_KEPT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Bytes and seconds, both guesses; `free_bytes` is None where the store cannot be asked.

    `image_bytes` and `images_per_s` are what they were worked out from; `is_learnt…` says whether that was seen here.
    """

    size_bytes: int
    free_bytes: int | None
    seconds: int
    image_bytes: int
    images_per_s: float
    is_size_learnt: bool
    is_pace_learnt: bool

    @property
    def is_disk_short(self) -> bool:
        """Whether less than what crawls leave free would be left."""
        return self.free_bytes is not None and self.free_bytes - self.size_bytes < diagnoses.LEAST_FREE_BYTES

    @property
    def duration(self) -> str:
        return duration_words(self.seconds)


def duration_words(seconds: float) -> str:
    """For people, in steps that do not claim to be exact."""
    minutes = seconds / 60
    if minutes < 1:
        return "under a minute"
    if minutes < 90:
        return f"{math.ceil(minutes)} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 1440:.0f} days"


def forecast(*, images: int, keywords: int, per_label: int, sources: Sequence[str]) -> Forecast:
    """Two queries. `keywords` are searched by each source; the slowest of downloads and searches counts."""
    image_bytes, images_per_s = _image_bytes(), _images_per_s()
    pace = images_per_s or ASSUMED_IMAGES_PER_S
    size = image_bytes or ASSUMED_IMAGE_BYTES
    # How much a bucket still takes is not to be learnt.
    disk = system_state.disk_usage() if blobs.place() is None else None
    searching_s = max((_searching_s(name, keywords, per_label) for name in sources), default=0.0)
    return Forecast(
        size_bytes=images * size,
        free_bytes=disk.free if disk else None,
        seconds=math.ceil(max(images / pace, searching_s)),
        image_bytes=size,
        images_per_s=pace,
        is_size_learnt=image_bytes is not None,
        is_pace_learnt=images_per_s is not None,
    )


def _image_bytes() -> int | None:
    """The mean of the images that are kept; None: too few are."""
    kept = Dataset.objects.order_by().aggregate(images=Sum("image_count"), size_bytes=Sum("size_bytes"))
    return kept["size_bytes"] // kept["images"] if (kept["images"] or 0) >= _LEARN_FROM_IMAGES else None


def _images_per_s() -> float | None:
    """The pace of the last crawls that went through in one run; None: there was none worth learning from."""
    crawls = Job.objects.filter(
        kind=Kind.CRAWL, status=Status.COMPLETED, dry_run=False, run=1, kept__gte=_LEAST_KEPT, started_at__isnull=False
    )
    last = list(crawls.order_by("-pk").values_list("kept", F("finished_at") - F("started_at"))[:_LEARN_FROM_JOBS])
    seconds = sum(lasted.total_seconds() for _, lasted in last)
    return sum(kept for kept, _ in last) / seconds if seconds > 0 else None


def _searching_s(source: str, keywords: int, per_label: int) -> float:
    """Seconds that the source's own limit of requests takes for all the pages that are asked for."""
    limit = wiring.search_limit(source)
    if limit is None:
        return 0.0
    return 60 * keywords * math.ceil(per_label / limit.page_size) / limit.per_minute
