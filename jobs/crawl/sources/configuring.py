"""From environment variables to what a source is built with: one rule for the names, for every source.

PIXCRAWLER_<SOURCE>_URL, _<CREDENTIAL>, _TERMS_ACCEPTED, _PAGE_SIZE, _RESULT_CAP, _REQUESTS_PER_MINUTE, and one for each
option; a source has those that its SourceInfo gives a reason for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.crawl.sources.base import SourceConfig, SourceInfo


@dataclass(frozen=True, slots=True)
class SourceVariable:
    """One environment variable of a source; `default` as it would be written in a .env file."""

    name: str
    kind: str
    default: str
    meaning: str


def variables_of(info: SourceInfo) -> tuple[SourceVariable, ...]:
    """The variables that the source reads."""
    title = info.title
    found = []
    if info.url or info.needs_url:
        found.append(SourceVariable(info.setting("url"), "str", info.url, f"Address of {title}."))
    for credential in info.credentials:
        unset = "" if credential.is_required else "; unset: without"
        found.append(SourceVariable(info.setting(credential.name), "str", "", f"{title}: {credential.title}{unset}."))
    if info.terms:
        found.append(
            SourceVariable(
                info.setting("terms_accepted"), "bool", "false", f"Confirms the terms of {title}: {info.terms.url}"
            )
        )
    if info.page_size is not None:
        found.append(
            SourceVariable(info.setting("page_size"), "int", str(info.page_size), f"Results per {title} page.")
        )
    if info.result_cap is not None:
        meaning = f"Results {title} gives per search, whatever it has."
        found.append(SourceVariable(info.setting("result_cap"), "int", str(info.result_cap), meaning))
    if info.requests_per_minute:
        meaning = f"{title} searches per minute, all workers; 0: no limit."
        default = f"{info.requests_per_minute:g}"
        found.append(SourceVariable(info.setting("requests_per_minute"), "float", default, meaning))
    found += [SourceVariable(info.setting(one.name), one.kind, one.default, one.meaning) for one in info.options]
    return tuple(found)


def config_of(
    info: SourceInfo, values: Mapping[str, str], *, credentials: Mapping[str, str], user_agent: str
) -> SourceConfig:
    """What the source is built with. `values` has a text for each of its variables, checked when they were read."""

    def text(name: str) -> str:
        return values.get(info.setting(name), "")

    return SourceConfig(
        url=text("url") or info.url,
        credentials=credentials,
        page_size=int(text("page_size") or info.page_size or 20),
        result_cap=int(text("result_cap") or info.result_cap) if info.result_cap is not None else None,
        requests_per_minute=float(text("requests_per_minute") or info.requests_per_minute),
        user_agent=user_agent,
        options={one.name: text(one.name) or one.default for one in info.options},
    )
