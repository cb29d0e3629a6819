"""What the page, the command and the API tell of each source: how it is doing, what it needs, what it keeps to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs import credentials, source_health, source_keys, wiring
from jobs.crawl.sources.base import SourceInfo
from jobs.source_health import SourceState
from jobs.words import SOURCE_TROUBLE


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLine:
    """Whether one of a source's keys is there: where it is, and for one in the database since when and by whom."""

    name: str
    title: str
    is_required: bool
    where: str
    set_by: str = ""
    set_at: datetime | None = None
    is_readable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLine:
    """One source. `obstacle` says why it cannot be used yet; `is_remote`: it is a service that can fail."""

    info: SourceInfo
    state: SourceState
    obstacle: str
    keys: Sequence[KeyLine]
    terms_confirmed: str
    is_remote: bool

    @property
    def word(self) -> str:
        """How it is doing, in a word or two."""
        if self.obstacle:
            return "Off"
        if not self.is_remote:
            return "Ready"
        if self.state.rests:
            return "Left alone"
        if self.state.is_open:
            return "Asked once more"
        return "Works" if self.state.last_success_at else "Not asked yet"

    @property
    def trouble(self) -> str:
        """What the last failure was, in a word or two; "" where there was none."""
        return SOURCE_TROUBLE.get(self.state.last_failure_kind, "")

    @property
    def error_percent(self) -> int:
        """The share of failures among the last hour's answers."""
        return round(100 * (self.state.error_rate or 0.0))

    @property
    def limits(self) -> list[str]:
        """What it keeps to, as people read it."""
        config = wiring.configured(self.info)
        told = [f"{config.result_cap:,} results per search"] if config.result_cap else []
        told += [f"{config.requests_per_minute:g} searches a minute"] if config.requests_per_minute else []
        told += ["best effort: no official interface"] if self.info.best_effort else []
        return told

    def to_json(self) -> dict[str, Any]:
        """What the API and `manage.py sources --json` give."""
        state = self.state
        return {
            "name": self.info.name,
            "title": self.info.title,
            "hint": self.info.hint,
            "word": self.word,
            "obstacle": self.obstacle,
            "limits": self.limits,
            "terms_url": self.info.terms.url if self.info.terms else "",
            "terms_confirmed": self.terms_confirmed,
            "keys": [{"name": key.name, "is_required": key.is_required, "where": key.where} for key in self.keys],
            "last_success_at": state.last_success_at,
            "last_failure_at": state.last_failure_at,
            "last_failure_kind": state.last_failure_kind,
            "last_failure": state.last_failure,
            "answers": state.answers,
            "error_rate": state.error_rate,
            "median_latency_s": state.median_latency_s,
            "quota_remaining": state.quota.remaining if state.quota else None,
            "quota_limit": state.quota.limit if state.quota else None,
            "quota_resets_at": state.quota_resets_at,
            "breaker": "open" if state.is_open else "closed",
            "rests_until": state.rests_until if state.rests else None,
        }


def source_lines() -> list[SourceLine]:
    """Every source, in the order of the form; three queries and one round trip to Redis."""
    infos = wiring.source_infos()
    states = source_health.states([info.name for info in infos])
    stored = {(key.source, key.name): key for key in source_keys.states()}
    confirmed = source_keys.confirmed()
    obstacles = credentials.obstacles_among(
        infos, {place for place, key in stored.items() if key.is_readable}, confirmed
    )
    lines = []
    for info in infos:
        terms = confirmed.get(info.name)
        by_whom = f"{terms.confirmed_by_name or 'the command line'}, {terms.confirmed_at:%Y-%m-%d}" if terms else ""
        in_environment = info.terms is not None and credentials.has_accepted_by_environment(info)
        lines.append(
            SourceLine(
                info=info,
                state=states[info.name],
                obstacle=obstacles[info.name],
                keys=_keys(info, stored),
                terms_confirmed=by_whom or ("in the environment" if in_environment else ""),
                is_remote=bool(info.url or info.needs_url),
            )
        )
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAlone:
    """A source that kept failing, and how; `until` is None where the next request finds out whether it is back."""

    title: str
    trouble: str
    until: datetime | None


def sources_left_alone(names: Sequence[str], answers: Iterator[Any]) -> list[LeftAlone]:
    """Those of the sources that rest, for the page of a job, by the answers to `source_health.ask`, which come next."""
    titles = {info.name: info.title for info in wiring.source_infos()}
    return [
        LeftAlone(
            title=titles.get(name, name),
            trouble=SOURCE_TROUBLE.get(state.last_failure_kind, "fails"),
            until=state.rests_until if state.rests else None,
        )
        for name, state in source_health.left_alone(names, answers).items()
    ]


def _keys(info: SourceInfo, stored: dict[tuple[str, str], source_keys.KeyState]) -> list[KeyLine]:
    given = credentials.of_environment(info)
    lines = []
    for one in info.credentials:
        key = None if one.name in given else stored.get((info.name, one.name))
        lines.append(
            KeyLine(
                name=one.name,
                title=one.title,
                is_required=one.is_required,
                where="environment" if one.name in given else "database" if key else "",
                set_by=key.set_by if key else "",
                set_at=key.set_at if key else None,
                is_readable=key is None or key.is_readable,
            )
        )
    return lines
