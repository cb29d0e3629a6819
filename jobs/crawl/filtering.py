"""Who keeps a filter: the source itself, we afterwards, or nobody, since nothing tells. None is ignored silently."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from datasets.licences import UNKNOWN, licence_name, permits
from datasets.outcomes import Reason
from jobs.crawl.filters import Filter, Filters, Orientation, PictureFormat, orientation_of
from jobs.crawl.sources.base import SourceInfo
from jobs.crawl.types import Candidate, Refusal

#: Below it a smallest size only keeps out icons: not worth a remark on each source.
_SMALL_PX: Final = 64


class Keeper(StrEnum):
    """Who keeps a filter of a crawl, for one source."""

    SOURCE = "source"
    AFTERWARDS = "afterwards"
    NOBODY = "nobody"


def keeper_of(info: SourceInfo, wanted: Filter, value: str) -> Keeper:
    """Who keeps the filter where this source is searched."""
    if info.applies_itself(wanted, value):
        return Keeper.SOURCE
    told = {
        Filter.MIN_SIZE: True,
        Filter.FORMAT: True,
        Filter.ORIENTATION: True,
        # What does not say its licence is left out.
        Filter.LICENCE: True,
        Filter.SAFE_SEARCH: info.mature_known,
        Filter.DATE: info.date_known,
        Filter.COLOUR: False,
    }
    return Keeper.AFTERWARDS if told[wanted] else Keeper.NOBODY


def remarks(filters: Filters, infos: Iterable[SourceInfo], *, only: Keeper | None = None) -> list[str]:
    """A sentence for each filter that some of the sources do not apply themselves; `only`: of those kept so."""
    infos = list(infos)
    found = []
    for wanted, value in filters.active.items():
        if wanted is Filter.MIN_SIZE and max(filters.min_width_px, filters.min_height_px) <= _SMALL_PX:
            continue
        concerned = [info for info in infos if _is_searched(info, wanted)]
        for keeper in (Keeper.AFTERWARDS, Keeper.NOBODY):
            titles = [info.title for info in concerned if keeper_of(info, wanted, value) is keeper]
            if titles and only in (None, keeper):
                words = {"titles": ", ".join(titles), "what": _WORDS[wanted], "told": _TOLD[wanted]}
                found.append(_SENTENCES[keeper].format(**words))
    return found


def refusal_of_listing(candidate: Candidate, filters: Filters, info: SourceInfo) -> Refusal | None:
    """Why a candidate is left out by what its source says of it, before anything is fetched; None: it is not."""
    if not permits(candidate.licence_code, filters.licence):
        # A service that filters by licence and tells none is believed; what one that tells them does not know is not.
        is_believed = not info.licence_known and info.applies_itself(Filter.LICENCE, filters.licence.value)
        if candidate.licence_code != UNKNOWN or not is_believed:
            licence = licence_name(candidate.licence_code, candidate.licence_version)
            return Refusal(
                Reason.LICENSE_NOT_ALLOWED, f"The crawl asked for “{filters.licence.value}”; this is {licence}."
            )
    if filters.safe_search and candidate.mature:
        return Refusal(Reason.MATURE, f"{info.title} marks it as mature.")
    return _refusal_of_day(candidate, filters, info)


def refusal_of_picture(format: str, width_px: int, height_px: int, filters: Filters) -> Refusal | None:
    """Why a picture is left out by its own format and shape; None: it is not."""
    if filters.format is not PictureFormat.ANY and format.lower() != filters.format.value:
        return Refusal(Reason.FORMAT_NOT_ALLOWED, f"The crawl asked for {filters.format.value}; this is {format}.")
    if filters.orientation is not Orientation.ANY:
        lies = orientation_of(width_px, height_px)
        if lies is not filters.orientation:
            detail = f"The crawl asked for {filters.orientation.value}; {width_px} × {height_px} is {lies.value}."
            return Refusal(Reason.ORIENTATION_NOT_ALLOWED, detail)
    return None


def _refusal_of_day(candidate: Candidate, filters: Filters, info: SourceInfo) -> Refusal | None:
    value = filters.active.get(Filter.DATE)
    if value is None:
        return None
    day = candidate.published_on
    if not day:
        if keeper_of(info, Filter.DATE, value) is Keeper.AFTERWARDS:
            return Refusal(Reason.DATE_NOT_ALLOWED, "The crawl asked for days; its source does not say its own.")
        return None
    is_early = filters.after is not None and day < filters.after.isoformat()
    if is_early or (filters.before is not None and day > filters.before.isoformat()):
        return Refusal(Reason.DATE_NOT_ALLOWED, f"It is of {day}; the crawl asked for {value}.")
    return None


def _is_searched(info: SourceInfo, wanted: Filter) -> bool:
    """Whether the filter means anything to the source: what people bring themselves is not searched for."""
    return not (info.is_given and wanted in (Filter.SAFE_SEARCH, Filter.DATE, Filter.COLOUR))


_WORDS: Final = {
    Filter.MIN_SIZE: "size",
    Filter.FORMAT: "format",
    Filter.ORIENTATION: "orientation",
    Filter.COLOUR: "colour",
    Filter.LICENCE: "licence",
    Filter.SAFE_SEARCH: "safe search",
    Filter.DATE: "date",
}
_FETCHED: Final = "is checked on every picture that was fetched"
_TOLD: Final = {
    Filter.MIN_SIZE: _FETCHED,
    Filter.FORMAT: _FETCHED,
    Filter.ORIENTATION: _FETCHED,
    Filter.COLOUR: "",
    Filter.LICENCE: "is checked on what it says of each picture, and what says none is left out",
    Filter.SAFE_SEARCH: "is checked on what it says of each picture",
    Filter.DATE: "is checked on what it says of each picture, and what says none is left out",
}
_SENTENCES: Final = {
    Keeper.AFTERWARDS: "{titles} cannot filter by {what}: it {told}.",
    Keeper.NOBODY: "{titles} can neither filter by {what} nor tell it: pictures that you did not ask for may be kept.",
}
