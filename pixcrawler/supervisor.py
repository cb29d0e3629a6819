"""Keeps a few processes running: one prefixed log, a restart with back-off, an orderly end. Knows nothing of Django.

Every child leads a process group of its own, so that a Ctrl-C in the terminal reaches the supervisor alone, and so that
nothing of a child outlives it. A supervisor that is killed leaves nothing that stays: on Linux the kernel ends the
children, and `stop_leftovers` ends what a record file of an earlier run still names.
"""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import IO, TextIO

from pixcrawler import process_record
from pixcrawler.parent_death import end_with_parent

#: Seconds until a child that ended is started again; the count starts anew after it ran for so long.
BACK_OFF_S = (1, 2, 4, 8, 16, 30)
_STEADY_AFTER_S = 60

#: How often the supervisor looks at its children and its own stop flag.
_TICK_S = 0.2

_COLOURS = ("36", "33", "35", "32", "34")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """A process to keep running.

    `env` is added to our own, `grace_s` lies between stop signal and kill, and `orphan_signal` is what the kernel sends
    the process when the supervisor itself is killed.
    """

    name: str
    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 10.0
    orphan_signal: signal.Signals = signal.SIGTERM


@dataclass(slots=True, kw_only=True)
class _Child:
    """A child's state; `process` is None while it waits to be started again."""

    spec: ChildSpec
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    restart_at: float = 0.0
    failures: int = 0


class Supervisor:
    """Starts children in order, watches them while `watch` runs, and stops them in reverse order.

    To be used from the main thread: on Linux a child gets its stop signal when the thread that started it ends.
    """

    def __init__(
        self, *, out: TextIO, record: Path | None = None, back_off_s: Sequence[float] = BACK_OFF_S, name_width: int = 9
    ) -> None:
        self._out = out
        self._record = record
        self._back_off_s = back_off_s
        self._name_width = name_width
        self._children: list[_Child] = []
        self._selector = selectors.DefaultSelector()
        self._partial: dict[IO[bytes], bytes] = {}
        self._colours = dict[str, str]()
        self._next_colour = cycle(_COLOURS)
        self._stop_requested = False

    @property
    def stop_requested(self) -> bool:
        return self._stop_requested

    def request_stop(self) -> None:
        """Ends `watch` soon; may be called from a signal handler."""
        self._stop_requested = True

    def start(self, spec: ChildSpec) -> None:
        """Starts a child and keeps it running from now on. Raises OSError where the program cannot be started."""
        child = _Child(spec=spec)
        self._spawn(child)
        self._children.append(child)
        self._note_children()

    def is_running(self, name: str) -> bool:
        return any(child.spec.name == name and child.process is not None for child in self._children)

    def watch(self, *, until: Callable[[], bool] | None = None, timeout_s: float | None = None) -> bool:
        """Passes on the log and restarts what ends, until the condition holds; False: a stop or the time came first."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._stop_requested:
            if until is not None and until():
                return True
            if deadline is not None and time.monotonic() > deadline:
                return False
            self._pass_on_output(_TICK_S)
            self._reap()
            self._start_due()
        return False

    def say(self, sentence: str, *, name: str = "") -> None:
        """Writes one line to the log; without a name it is the supervisor's own."""
        prefix = f"{name:<{self._name_width}} | " if name else ""
        if name and self._out.isatty():
            colour = self._colours.setdefault(name, next(self._next_colour))
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        # A terminal that is gone is no reason to leave the children alone.
        with suppress(OSError):
            self._out.write(f"{prefix}{sentence}\n")
            self._out.flush()

    def stop(self) -> None:
        """Stops all children, the last one started first; what does not end within its grace is killed."""
        self._stop_requested = True
        for child in reversed(self._children):
            self._stop_child(child)
        self._children.clear()
        self._note_children()

    def _spawn(self, child: _Child) -> None:
        spec = child.spec
        process = subprocess.Popen(
            spec.argv,
            cwd=spec.cwd,
            env={**os.environ, **spec.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Safe here: the supervisor has one thread.
            preexec_fn=_tied_to(os.getpid(), spec.orphan_signal),
        )
        assert process.stdout is not None  # noqa: S101
        os.set_blocking(process.stdout.fileno(), False)
        self._selector.register(process.stdout, selectors.EVENT_READ, spec.name)
        child.process, child.started_at = process, time.monotonic()

    def _pass_on_output(self, timeout_s: float) -> None:
        if not self._selector.get_map():
            time.sleep(timeout_s)
            return
        for key, _ in self._selector.select(timeout_s):
            pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]
            self._read(pipe, key.data)

    def _read(self, pipe: IO[bytes], name: str) -> bool:
        """Passes on the whole lines that wait in a pipe; False: nothing waits there."""
        try:
            data = os.read(pipe.fileno(), 65_536)
        except BlockingIOError:
            return False
        *lines, rest = (self._partial.pop(pipe, b"") + data).split(b"\n")
        if rest and data:
            self._partial[pipe] = rest
        elif rest:
            lines.append(rest)
        for line in lines:
            self.say(line.decode(errors="replace").rstrip("\r"), name=name)
        if not data:
            self._selector.unregister(pipe)
            pipe.close()
        return bool(data)

    def _pass_on_last_words(self, child: _Child, process: "subprocess.Popen[bytes]") -> None:
        """What an ended child has written and nobody has read yet."""
        pipe = process.stdout
        while pipe and not pipe.closed and self._read(pipe, child.spec.name):
            pass

    def _reap(self) -> None:
        for child in self._children:
            if child.process is None or child.process.poll() is None:
                continue
            _kill_group(child.process.pid)
            self._pass_on_last_words(child, child.process)
            now = time.monotonic()
            if now - child.started_at >= _STEADY_AFTER_S:
                child.failures = 0
            wait_s = self._back_off_s[min(child.failures, len(self._back_off_s) - 1)]
            ending = _ending(child.process.returncode)
            self.say(f"The process {ending}; it is started again in {wait_s:g} s.", name=child.spec.name)
            child.process, child.restart_at, child.failures = None, now + wait_s, child.failures + 1

    def _start_due(self) -> None:
        for child in self._children:
            if child.process is None and time.monotonic() >= child.restart_at:
                try:
                    self._spawn(child)
                except OSError as error:
                    child.restart_at = time.monotonic() + self._back_off_s[-1]
                    self.say(f"The process cannot be started ({error}); it is tried again.", name=child.spec.name)
                self._note_children()

    def _stop_child(self, child: _Child) -> None:
        process = child.process
        if process is None:
            return
        process.send_signal(child.spec.stop_signal)
        deadline = time.monotonic() + child.spec.grace_s
        while process.poll() is None and time.monotonic() < deadline:
            self._pass_on_output(0.05)
        if process.poll() is None:
            self.say(f"The process did not stop within {child.spec.grace_s:g} s; it is killed.", name=child.spec.name)
        _kill_group(process.pid)
        process.wait()
        self._pass_on_last_words(child, process)
        child.process = None

    def _note_children(self) -> None:
        if self._record is not None:
            running = [child.process.pid for child in self._children if child.process is not None]
            process_record.write(self._record, running)


def _tied_to(parent_pid: int, orphan_signal: signal.Signals) -> Callable[[], None]:
    """What a child does before its program starts, so that it does not outlive its parent."""

    def tie() -> None:
        end_with_parent(orphan_signal)
        if os.getppid() != parent_pid:
            # The parent was killed before the kernel was asked.
            os._exit(1)

    return tie


def _kill_group(pid: int) -> None:
    """Ends what is left of a child's process group."""
    # Mostly nobody is left (macOS says "not permitted" for a group of zombies).
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _ending(returncode: int) -> str:
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"ended with status {returncode}"
