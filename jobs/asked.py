"""What a crawl was asked for, and by which rules of its dataset it keeps pictures: the settings on its page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from jobs.models import Job
from jobs.spec import CrawlSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Counts of labels, keywords and listed addresses; `filters` are (name, value) beside the smallest size."""

    per_label: int
    labels: int
    keywords: int
    listed: int
    sources: str
    min_width_px: int
    min_height_px: int
    filters: Sequence[tuple[str, str]]
    near_duplicate_bits: int
    obeys: str
    check: str
    run: int

    @classmethod
    def of(cls, job: Job, spec: CrawlSpec) -> Self:
        """Equal ones look the same, so that a page that polls draws them once."""
        dataset = job.dataset
        obeyed = {
            "robots.txt": dataset.obey_robots_txt,
            "X-Robots-Tag": dataset.obey_robots_tag,
            "tdm-reservation": dataset.obey_tdm_reservation,
            "metadata": dataset.obey_embedded,
        }
        return cls(
            per_label=spec.per_label,
            labels=len(spec.labels),
            keywords=len(spec.keywords),
            listed=job.listed_count,
            sources=", ".join(spec.sources),
            min_width_px=spec.filters.min_width_px,
            min_height_px=spec.filters.min_height_px,
            filters=spec.filter_words,
            near_duplicate_bits=dataset.near_duplicate_bits,
            obeys=" ".join(name for name, is_obeyed in obeyed.items() if is_obeyed),
            check=dataset.validate_after_crawl,
            run=job.run,
        )
