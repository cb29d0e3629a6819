"""The addresses that show something, and how many queries each may make: for bench-pages and tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bench.seed import Seeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What an answer may cost: queries, and milliseconds at the 95th percentile with 100,000 images."""

    kind: str
    queries: int
    p95_ms: float


#: Whole pages; parts of pages that are fetched anew; answers that nothing changed.
PAGE = Budget(kind="page", queries=12, p95_ms=200)
PART = Budget(kind="part", queries=6, p95_ms=50)
UNCHANGED = Budget(kind="204", queries=3, p95_ms=10)

#: `{…}` stands for what was seeded.
ADDRESSES: Final[Mapping[str, Budget]] = {
    "/": PAGE,
    "/live/": PART,
    "/jobs/": PAGE,
    "/jobs/?state=attention": PAGE,
    "/jobs/?q=species": PAGE,
    "/jobs/live/": PART,
    "/jobs/new/": PAGE,
    "/jobs/new/?from={live}": PAGE,
    "/jobs/{live}/": PAGE,
    "/jobs/{ended}/": PAGE,
    "/jobs/{validation}/": PAGE,
    "/jobs/{dry}/": PAGE,
    "/jobs/{live}/log/": PAGE,
    "/jobs/{live}/log.csv": PAGE,
    "/jobs/{live}/live/": PART,
    "/jobs/{dry}/live/": PART,
    "/jobs/{validation}/note/": PART,
    "/jobs/{live}/new-images/?than={deep}": PART,
    "/datasets/": PAGE,
    "/datasets/{slug}/": PAGE,
    "/datasets/{slug}/?after={deep}": PAGE,
    "/datasets/{slug}/?label=species+000": PAGE,
    "/datasets/{slug}/?sort=largest": PAGE,
    "/datasets/{slug}/?sort=smallest&after=307200-{deep}&label=species+001": PAGE,
    "/datasets/{slug}/?sort=oldest&after={deep}": PAGE,
    "/datasets/{slug}/?q=picture&alike=1": PAGE,
    "/datasets/{slug}/?flag=blurry&damage=truncated": PAGE,
    "/datasets/{slug}/rules/": PAGE,
    "/datasets/{slug}/duplicates/1/": PAGE,
    "/datasets/{slug}/checks/": PAGE,
    "/datasets/{slug}/checks/blurry/": PAGE,
    "/datasets/{slug}/checks/odd_size/": PAGE,
    "/datasets/{slug}/checks/blurry/preview/": PART,
    "/datasets/{slug}/images/{image}/": PAGE,
    "/datasets/{slug}/report/": PAGE,
    "/datasets/{slug}/report.json": PAGE,
    "/datasets/{slug}/report.csv": PAGE,
    "/datasets/{slug}/exports/": PAGE,
    "/datasets/{slug}/exports/live/": PART,
    "/sources/": PAGE,
    "/sources/live/": PART,
    "/system/": PAGE,
    "/system/live/": PART,
    "/account/": PAGE,
    "/help/keys/": PAGE,
    "/help/api/": PAGE,
    "/system/audit/": PAGE,
}

#: A page, and the start of the address that it asks whether anything changed.
POLLS: Final[Mapping[str, str]] = {
    "/": "/live/?",
    "/jobs/": "/jobs/live/?",
    "/jobs/{live}/": "/jobs/{live}/live/?",
    "/sources/": "/sources/live/?",
    "/system/": "/system/live/?",
    "/datasets/{slug}/": "/jobs/{live}/new-images/?",
    "/datasets/{slug}/checks/": "/jobs/{validation}/note/?",
    "/datasets/{slug}/duplicates/1/": "/jobs/{validation}/note/?",
}


def names_of(rows: Seeded) -> dict[str, str]:
    """What the braces of addresses stand for."""
    images = rows.dataset.images.order_by("-pk").values_list("pk", flat=True)
    return {
        "slug": rows.dataset.slug,
        "live": str(rows.live.pk),
        "ended": str(rows.ended.pk),
        "validation": str(rows.validation.pk),
        "dry": str(rows.dry.pk),
        "image": str(images[0]),
        "deep": str(images[len(images) * 9 // 10]),
    }
