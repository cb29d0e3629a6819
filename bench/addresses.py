"""The addresses that show something, and how many queries each may make: for bench-pages and tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bench.seed import Seeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What an answer may cost: queries, and milliseconds at the 95th percentile, with a million images too."""

    kind: str
    queries: int
    p95_ms: float


#: Whole pages; those among them that list rows, of which there may be a million; parts of pages that are fetched
#: anew; answers that nothing changed.
PAGE = Budget(kind="page", queries=12, p95_ms=200)
LIST = Budget(kind="list", queries=12, p95_ms=100)
PART = Budget(kind="part", queries=6, p95_ms=50)
UNCHANGED = Budget(kind="204", queries=3, p95_ms=10)

#: `{…}` stands for what was seeded.
ADDRESSES: Final[Mapping[str, Budget]] = {
    "/": PAGE,
    "/live/": PART,
    "/jobs/": LIST,
    "/jobs/?state=attention": LIST,
    "/jobs/?q=species": LIST,
    "/jobs/live/": PART,
    "/jobs/new/": PAGE,
    "/jobs/new/?from={live}": PAGE,
    "/jobs/{live}/": PAGE,
    "/jobs/{ended}/": PAGE,
    "/jobs/{validation}/": PAGE,
    "/jobs/{dry}/": PAGE,
    "/jobs/{live}/log/": LIST,
    "/jobs/{live}/log/?only=problems": LIST,
    "/jobs/{live}/log.csv": PAGE,
    "/jobs/{live}/live/": PART,
    "/jobs/{dry}/live/": PART,
    "/jobs/{validation}/note/": PART,
    "/jobs/{live}/new-images/?than={deep}": PART,
    "/datasets/": LIST,
    "/datasets/{slug}/": LIST,
    "/datasets/{slug}/?after={deep}": LIST,
    "/datasets/{slug}/?label=species+000": LIST,
    "/datasets/{slug}/?sort=largest": LIST,
    "/datasets/{slug}/?sort=smallest&after=307200-{deep}&label=species+001": LIST,
    "/datasets/{slug}/?sort=oldest&after={deep}": LIST,
    "/datasets/{slug}/?q=picture&alike=1": LIST,
    "/datasets/{slug}/?flag=blurry&damage=truncated": LIST,
    "/datasets/{slug}/?sort=largest&after=307200-{deep}": LIST,
    "/datasets/{slug}/?sort=largest&licence=pdm": LIST,
    "/datasets/{slug}/?q=aurora": LIST,
    "/datasets/{slug}/?q=ox": LIST,
    "/datasets/{slug}/?source=archive": LIST,
    "/datasets/{slug}/?format=AVIF": LIST,
    "/datasets/{slug}/?alike=1": LIST,
    "/datasets/{slug}/?flag=animated": LIST,
    "/datasets/{slug}/?flag=gps": LIST,
    "/datasets/{slug}/?flag=odd_size": LIST,
    "/datasets/{slug}/?review=excluded": LIST,
    "/datasets/{slug}/?bytes=-20100": LIST,
    "/datasets/{slug}/?short=2400-": LIST,
    "/datasets/{slug}/?aspect=2-": LIST,
    "/datasets/{slug}/?blurry=-0.2": LIST,
    "/datasets/{slug}/?blurry=0.2-0.4": LIST,
    "/datasets/{slug}/?blurry=0.4-0.6": LIST,
    "/datasets/{slug}/rules/": PAGE,
    "/datasets/{slug}/duplicates/1/": LIST,
    "/datasets/{slug}/duplicates/1/?label=species+000&source=openverse": LIST,
    "/datasets/{slug}/checks/": LIST,
    "/datasets/{slug}/checks/blurry/": PAGE,
    "/datasets/{slug}/checks/odd_size/": PAGE,
    "/datasets/{slug}/checks/blurry/preview/": PART,
    "/datasets/{slug}/images/{image}/": PAGE,
    "/datasets/{slug}/report/": LIST,
    "/datasets/{slug}/report.json": PAGE,
    "/datasets/{slug}/report.csv": PAGE,
    "/datasets/{slug}/exports/": LIST,
    "/datasets/{slug}/exports/live/": PART,
    "/sources/": PAGE,
    "/sources/live/": PART,
    "/system/": PAGE,
    "/system/live/": PART,
    "/account/": PAGE,
    "/help/keys/": PAGE,
    "/help/api/": PAGE,
    "/system/audit/": LIST,
    "/system/audit/?who=bench&what=deleted": LIST,
}

#: Lists of the API, by the session of a browser.
API_LISTS: Final[Mapping[str, Budget]] = {
    "/api/v1/jobs/": LIST,
    "/api/v1/jobs/?dataset={slug}&status=failed": LIST,
    "/api/v1/jobs/{ended}/chunks?status=failed": LIST,
    "/api/v1/jobs/{ended}/findings": LIST,
    "/api/v1/jobs/{ended}/findings?outcome=failed&reason=timeout": LIST,
    "/api/v1/jobs/{live}/activity": LIST,
    "/api/v1/datasets/": LIST,
    "/api/v1/datasets/{slug}/images?after={deep}": LIST,
    "/api/v1/datasets/{slug}/images?q=aurora": LIST,
    "/api/v1/datasets/{slug}/images?source=archive": LIST,
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
