"""When a source is left alone: after failures in a row, or because it asked for patience; one request finds out whether
it is back.

This is the rule, for one process. `jobs.source_health` keeps it over all workers, and falls back to this.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """So many failures in a row open the breaker, for `first_s` seconds, doubled with each failed probe up to
    `longest_s`. A probe that says nothing for `probe_s` is taken for lost, and another one goes.
    """

    failures: int = 3
    first_s: float = 30.0
    longest_s: float = 300.0
    probe_s: float = 60.0
    #: While a probe is under way, others come back so soon: it mostly takes no longer.
    while_probed_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """Leave to ask. `is_probe`: the breaker is open, and this request finds out whether the source is back."""

    is_probe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """The source is left alone; it is worth asking again after `wait_s`."""

    wait_s: float


@dataclass(slots=True)
class _State:
    failures: int = 0
    breaks: int = 0
    until: float = 0.0
    probe_until: float = 0.0


@dataclass(slots=True, kw_only=True)
class LocalBreaker:
    """The breaker of one process, which knows nothing of the others."""

    rules: BreakerRules = field(default_factory=BreakerRules)
    clock: Callable[[], float] = time.monotonic
    _states: dict[str, _State] = field(default_factory=dict)

    def enter(self, source: str) -> Go | Rest:
        """Whether to ask the source now. Whoever goes says afterwards what came of it. Nothing here waits or raises."""
        state, now = self._states.get(source), self.clock()
        if state is None:
            return Go()
        if now < state.until:
            return Rest(wait_s=state.until - now)
        if now < state.probe_until:
            return Rest(wait_s=min(state.probe_until - now, self.rules.while_probed_s))
        if state.breaks:
            state.probe_until = now + self.rules.probe_s
        return Go(is_probe=state.breaks > 0)

    def succeeded(self, source: str) -> None:
        self._states.pop(source, None)

    def failed(self, source: str, *, pause_s: float) -> None:
        """`pause_s` is the patience that the source asked for, 0 where it asked for none; no longer than a break."""
        rules, now = self.rules, self.clock()
        state = self._states.setdefault(source, _State())
        state.failures += 1
        state.probe_until = 0.0
        is_over = state.until <= now
        state.until = max(state.until, now + min(pause_s, rules.longest_s))
        if is_over and (state.breaks or state.failures >= rules.failures):
            state.until = max(state.until, now + min(rules.first_s * 2**state.breaks, rules.longest_s))
            state.breaks += 1

    def undecided(self, source: str) -> None:
        """What was let through was not asked after all, or its answer says nothing of the source."""
        if state := self._states.get(source):
            state.probe_until = 0.0
