"""What a crawl would start, worked out from a form that may still be half filled in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobs import wiring
from jobs.crawl.filtering import remarks
from jobs.crawl.filters import Filters
from jobs.crawl.sources.base import SourceInfo
from jobs.forecast import Forecast, forecast
from jobs.spec import MAX_PER_LABEL, URL_LIST_SOURCE, InvalidSpec, parse_keywords


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """`problem` says why nothing would start; `repeats` counts keyword lines that are named twice.

    `forecast` is None where there is nothing to tell the future of.
    """

    labels: int = 0
    lanes: int = 0
    images_at_most: int = 0
    repeats: int = 0
    unknown_licences: Sequence[str] = ()
    remarks: Sequence[str] = ()
    problem: str = ""
    forecast: Forecast | None = None


def estimate(
    *,
    keywords: Sequence[str],
    sources: Sequence[str],
    per_label: str,
    urls: Sequence[str],
    filters: Callable[[], Filters] = Filters,
) -> Estimate:
    """What these values would start. Never raises: what is wrong is told in `problem`."""
    try:
        parsed = parse_keywords(keywords)
        asked = filters()
    except InvalidSpec as error:
        return Estimate(problem=error.message)
    lines = [" ".join(line.split()) for line in keywords if line.strip() and not line.lstrip().startswith("#")]
    labels = {keyword.label for keyword in parsed}
    searching = [name for name in sources if name != URL_LIST_SOURCE]
    listed = len([line for line in urls if line.strip()]) if URL_LIST_SOURCE in sources else 0
    wanted = int(per_label) if per_label.isdecimal() and len(per_label) <= len(str(MAX_PER_LABEL)) else 0
    images_at_most = max(len(labels), bool(listed)) * wanted
    chosen = [info for info in wiring.source_infos() if info.name in sources]
    return Estimate(
        remarks=[*remarks(asked, chosen), *_ceilings(chosen, wanted)],
        labels=len(labels) or bool(listed),
        lanes=len(parsed) * len(searching) + bool(listed),
        images_at_most=images_at_most,
        repeats=len(lines) - len(set(lines)),
        forecast=forecast(images=images_at_most, keywords=len(parsed), per_label=wanted, sources=searching)
        if images_at_most
        else None,
        unknown_licences=[info.title for info in chosen if not info.licence_known],
    )


def _ceilings(infos: Sequence[SourceInfo], wanted: int) -> list[str]:
    """A sentence for each source that gives fewer results for a search than a label asks for."""
    return [
        f"{info.title} gives {info.result_cap:,} results for a search. For more, the search is repeated in parts, "
        "as far as the source can be cut into some."
        for info in infos
        if info.result_cap and wanted > info.result_cap
    ]
