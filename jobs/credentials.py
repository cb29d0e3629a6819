"""The keys of the sources, and which terms somebody confirmed: from the environment, which wins, or the database.

The only place that knows where keys are. What is read here is hidden from every text of this process from then on.
"""

from collections.abc import Mapping, Sequence, Set

from django.conf import settings

from jobs import source_keys
from jobs.crawl.redaction import remember
from jobs.crawl.sources.base import SourceInfo
from jobs.crawl.sources.registry import registry

_YES = {"1", "true", "yes", "on"}


def credentials_of(info: SourceInfo) -> Mapping[str, str]:
    """The source's keys by the names of its credentials; those that nobody gave are left out."""
    given = of_environment(info)
    missing = [one.name for one in info.credentials if one.name not in given]
    return {**(source_keys.stored(info.name) if missing else {}), **given}


def key_names() -> Sequence[tuple[str, str]]:
    """(source, key) of everything that may be entered."""
    infos = [module.INFO for module in registry().modules.values()]
    return [(info.name, one.name) for info in infos for one in info.credentials]


def terms() -> Mapping[str, str]:
    """Source -> address of its terms, for the sources that are off until somebody confirms them."""
    infos = [module.INFO for module in registry().modules.values()]
    return {info.name: info.terms.url for info in infos if info.terms}


def obstacle(info: SourceInfo) -> str:
    """Why the source cannot be used yet, and what to do, in a sentence; "" where it can."""
    return obstacles([info])[info.name]


def obstacles(infos: Sequence[SourceInfo]) -> dict[str, str]:
    """The same for several sources, by two queries at most."""
    stored = {(key.source, key.name) for key in source_keys.states() if key.is_readable} if _have_keys(infos) else set()
    confirmed = source_keys.confirmed() if any(info.terms for info in infos) else {}
    return obstacles_among(infos, stored, confirmed)


def obstacles_among(
    infos: Sequence[SourceInfo], stored: Set[tuple[str, str]], confirmed: Mapping[str, object]
) -> dict[str, str]:
    """The same, of keys (source, name) and confirmed terms (by source) that were read already."""
    return {info.name: _obstacle(info, stored, is_confirmed=info.name in confirmed) for info in infos}


def has_accepted_by_environment(info: SourceInfo) -> bool:
    """Whether the operator confirmed the terms in the environment."""
    return settings.SOURCE_SETTINGS.get(info.setting("terms_accepted"), "").lower() in _YES


def of_environment(info: SourceInfo) -> dict[str, str]:
    """The keys that the environment has."""
    given = {one.name: settings.SOURCE_SETTINGS.get(info.setting(one.name), "") for one in info.credentials}
    for secret in given.values():
        remember(secret)
    return {name: value for name, value in given.items() if value}


def _have_keys(infos: Sequence[SourceInfo]) -> bool:
    return any(one.is_required for info in infos for one in info.credentials)


def _obstacle(info: SourceInfo, stored: Set[tuple[str, str]], *, is_confirmed: bool) -> str:
    given = of_environment(info)
    missing = [
        one
        for one in info.credentials
        if one.is_required and one.name not in given and (info.name, one.name) not in stored
    ]
    if missing:
        names = " and ".join(info.setting(one.name) for one in missing)
        where = f" ({missing[0].where})" if missing[0].where else ""
        enters = "an administrator enters it in the admin"
        return f"{info.title} needs a key{where}: {enters}, or sets {names} and restarts."
    if info.needs_url and not settings.SOURCE_SETTINGS.get(info.setting("url")):
        return f"{info.title} has no address yet: set {info.setting('url')}, then restart."
    if info.terms is not None and not is_confirmed and not has_accepted_by_environment(info):
        return (
            f"{info.title} has terms that somebody has to confirm ({info.terms.url}): {info.terms.text} "
            f"An administrator confirms them in the admin, or sets {info.setting('terms_accepted')}=true and restarts."
        )
    return ""
