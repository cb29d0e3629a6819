"""The sources there are, in the order in which people are offered them: our own, then those of other packages.

A package offers one by an entry point of the group `pixcrawler.sources` that names a module with `INFO` and `build`.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from jobs.crawl.sources import (
    baidu,
    bing,
    brave,
    commons,
    duckduckgo,
    flickr,
    folder,
    openverse,
    pexels,
    pixabay,
    sample,
    searxng,
    unsplash,
    urls,
    webpage,
)
from jobs.crawl.sources.base import SourceInfo, SourceModule

ENTRY_POINT_GROUP: Final = "pixcrawler.sources"

_BUILT_IN: Final[tuple[SourceModule, ...]] = (
    *(openverse, commons, flickr, brave, searxng),
    *(unsplash, pexels, pixabay),
    *(bing, duckduckgo, baidu),
    *(urls, webpage, folder, sample),
)

#: What each of our own sources says of itself.
SOURCE_INFOS: dict[str, SourceInfo] = {module.INFO.name: module.INFO for module in _BUILT_IN}

#: A source's name stands in addresses, settings and rows.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True)
class Registry:
    """Sources by name, and a sentence for each entry point that gave none."""

    modules: dict[str, SourceModule]
    problems: tuple[str, ...]


@cache
def registry() -> Registry:
    """All sources of this process. A package that is broken costs its own sources alone."""
    modules = {module.INFO.name: module for module in _BUILT_IN}
    problems = []
    for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name):
        try:
            module = _loaded(point)
        except _Unfit as error:
            problems.append(_sentence(point, str(error)))
            continue
        if module.INFO.name in modules:
            problems.append(_sentence(point, f"there is a source “{module.INFO.name}” already"))
            continue
        modules[module.INFO.name] = module
    return Registry(modules, tuple(problems))


class _Unfit(Exception):
    """What an entry point names is no source; the message says why."""


def _loaded(point: EntryPoint) -> SourceModule:
    """What the entry point names. Raises _Unfit."""
    try:
        module = point.load()
    except Exception as error:
        # Foreign code may raise anything while it is imported.
        raise _Unfit(f"it cannot be imported ({type(error).__name__}: {error})") from error
    info = getattr(module, "INFO", None)
    if not isinstance(info, SourceInfo):
        raise _Unfit("it has no INFO of the class SourceInfo")
    if not _NAME.fullmatch(info.name):
        raise _Unfit(f"its name “{info.name}” is not made of lower-case letters, digits and _, at most 40")
    if not callable(getattr(module, "build", None)):
        raise _Unfit("it has no function build(config, services)")
    loaded: SourceModule = module
    return loaded


def _sentence(point: EntryPoint, why: str) -> str:
    package = point.dist.name if point.dist else "a package"
    return (
        f"The source “{point.name}” of {package} ({point.value}) is left out: {why}. "
        "Mend or remove that package, then restart every process."
    )
