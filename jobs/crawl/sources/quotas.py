"""What services say in headers of how much they may still be asked."""

import re
from collections.abc import Mapping

from jobs.crawl.sources.base import Quota

#: X-RateLimit-Remaining, X-RateLimit-Available-anon_burst (Openverse), RateLimit-Limit, X-Rate-Limit-Reset …
_HEADER = re.compile(r"(?:x-)?rate-?limit-(limit|remaining|available|reset)(?:-(.+))?", re.I)
_MAX_NUMBER = 2**53


def quotas_of(headers: Mapping[str, str]) -> tuple[Quota, ...]:
    """The limits that an answer tells of; a header with several numbers (Brave's) is several limits."""
    told: dict[str, dict[str, float]] = {}
    for header, value in headers.items():
        found = _HEADER.fullmatch(header)
        if not found:
            continue
        kind = {"available": "remaining"}.get(found[1].lower(), found[1].lower())
        numbers = [number for part in value.split(",") if (number := _number(part)) is not None]
        for index, number in enumerate(numbers):
            name = (found[2] or "").lower() or (str(index + 1) if len(numbers) > 1 else "")
            told.setdefault(name, {})[kind] = number
    return tuple(
        Quota(
            name=name,
            remaining=_whole(facts.get("remaining")),
            limit=_whole(facts.get("limit")),
            resets_in_s=facts.get("reset"),
        )
        for name, facts in told.items()
        if "remaining" in facts or "limit" in facts
    )


def _number(text: str) -> float | None:
    """The number that a part begins with: "100;w=60" and "20/min" say more than we need."""
    found = re.match(r"\s*(\d{1,16}(?:\.\d{1,6})?)", text)
    return float(found[1]) if found and float(found[1]) <= _MAX_NUMBER else None


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
