"""How many requests may be under way at once: concurrency follows latency, within bounds."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

#: How often the size is looked at: a few answers of a slow host.
_PERIOD_S = 0.1

#: The share of a period that is spent waiting, with the window full, from which it grows; below the second it shrinks.
_GROWS_FROM, _SHRINKS_BELOW = 0.25, 0.05


@dataclass(slots=True, kw_only=True)
class Window:
    """`least` requests, and more, up to `most`, while they are what is waited for.

    Where hosts answer slowly and whoever takes the pictures is quick, the time goes into waiting with the window full:
    then it grows by a quarter every tenth of a second. Where the pictures have to wait to be taken, more requests would
    only fill memory: then it shrinks again.
    """

    least: int
    most: int
    clock: Callable[[], float] = time.monotonic
    size: int = field(init=False)
    _began_at: float = field(init=False)
    _waited_s: float = 0.0

    def __post_init__(self) -> None:
        self.size = self.least = min(self.least, self.most)
        self._began_at = self.clock()

    def note(self, *, waited_s: float = 0.0) -> None:
        """To be called all along; `waited_s` was spent waiting since nothing more could begin, with the window full."""
        self._waited_s += waited_s
        now = self.clock()
        elapsed_s = now - self._began_at
        if elapsed_s < _PERIOD_S:
            return
        share = self._waited_s / elapsed_s
        if share >= _GROWS_FROM:
            self.size = min(self.most, self.size + max(1, self.size // 4))
        elif share < _SHRINKS_BELOW:
            self.size = max(self.least, self.size - max(1, self.size // 8))
        self._began_at, self._waited_s = now, 0.0
