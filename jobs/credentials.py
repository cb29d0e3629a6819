"""The keys of the sources, and which terms somebody confirmed: from the environment."""

from collections.abc import Mapping

from django.conf import settings

from jobs.crawl.sources.base import SourceInfo

_YES = {"1", "true", "yes", "on"}


def credentials_of(info: SourceInfo) -> Mapping[str, str]:
    """The source's keys by the names of its credentials; those that nobody gave are left out."""
    given = {one.name: settings.SOURCE_SETTINGS.get(info.setting(one.name), "") for one in info.credentials}
    return {name: value for name, value in given.items() if value}


def has_accepted_terms(info: SourceInfo) -> bool:
    """Whether there are no terms to confirm, or somebody did."""
    return info.terms is None or settings.SOURCE_SETTINGS.get(info.setting("terms_accepted"), "").lower() in _YES


def obstacle(info: SourceInfo) -> str:
    """Why the source cannot be used yet, and what to do, in a sentence; "" where it can."""
    given = credentials_of(info)
    missing = [one for one in info.credentials if one.is_required and one.name not in given]
    if missing:
        names = " and ".join(info.setting(one.name) for one in missing)
        where = f" ({missing[0].where})" if missing[0].where else ""
        return f"{info.title} needs a key{where}: set {names}, then restart."
    if info.needs_url and not settings.SOURCE_SETTINGS.get(info.setting("url")):
        return f"{info.title} has no address yet: set {info.setting('url')}, then restart."
    if info.terms is not None and not has_accepted_terms(info):
        return (
            f"{info.title} has terms that somebody has to confirm ({info.terms.url}): {info.terms.text} "
            f"Set {info.setting('terms_accepted')}=true, then restart."
        )
    return ""
