"""Decodes foreign bytes behind a wall: in a child process that has nothing to lose.

A picture that breaks the child costs that one picture; those behind it go to the next child. Pictures that broke two
children are never tried again. The child lives long, so that a picture costs no start of a process, and works while
the caller fetches the next pictures.
"""

import hashlib
import itertools
import logging
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from datasets.imaging import wire
from datasets.imaging.decoder_child import ChildSettings
from datasets.imaging.types import NO_EXTRAS, Extras, ImageFacts, ImageLimits, Rejection
from datasets.outcomes import Reason

if sys.platform == "linux":
    import fcntl

log = logging.getLogger(__name__)

#: Children that a picture may break before it is never tried again.
MAX_KILLS = 2

#: Seconds for a child to start, on a machine that is busy.
_START_S = 60.0
#: Seconds for a child that has closed its pipe to end.
_END_S = 1.0
#: How long we sleep at most before `should_stop` is looked at again.
_LONGEST_WAIT_S = 0.25
#: So much of the next picture is on its way while a child decodes; what Linux allows everybody.
_PIPE_BYTES = 1024 * 1024

#: What a child sees of our environment: where its interpreter finds its libraries.
_ENVIRONMENT = ("PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
#: One picture at a time needs no threads, and their stacks would count as its memory.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}

_PROJECT_DIR = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What one picture may cost: processor time, time, and memory beyond what the decoder has without a picture.

    `pictures_per_child` and `max_growth_bytes` say when a child has served long enough.
    """

    cpu_s: float = 10.0
    wall_s: float = 30.0
    memory_bytes: int = 1536 * 1024 * 1024
    pictures_per_child: int = 20_000
    max_growth_bytes: int = 256 * 1024 * 1024


class KillRecord(Protocol):
    """Remembers, for all workers, which bytes have broken decoders."""

    def is_condemned(self, sha256: str) -> bool:
        """Whether these bytes have broken MAX_KILLS children."""
        ...

    def note_kill(self, sha256: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What became of one picture; `ticket` is what `submit` gave for it, `seconds` what decoding it took."""

    ticket: int
    result: ImageFacts | Rejection
    seconds: float = 0.0


class DecoderUnavailable(Exception):
    """No decoder process can be started. The message is a whole sentence: what happened, what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    ticket: int
    body: bytes
    limits: ImageLimits
    extras: Extras
    sha256: str

    @property
    def request(self) -> wire.Frame:
        return wire.request(self.body, self.limits, self.sha256, self.extras)

    def refused(self, reason: Reason, detail: str) -> Decoded:
        rejection = Rejection(reason=reason, detail=detail, sha256=self.sha256, size_bytes=len(self.body))
        return Decoded(ticket=self.ticket, result=rejection)


@dataclass(frozen=True, slots=True)
class _Event:
    """Something came from a child, or nothing will come any more (None); `at` is when (monotonic seconds)."""

    child: "_Child"
    frame: wire.Frame | None
    at: float


class Decoder:
    """One child process at a time, started when it is needed. For one thread: the child ends when that thread ends."""

    def __init__(
        self, *, allowance: Allowance, kills: KillRecord, module: str = "datasets.imaging.decoder_child"
    ) -> None:
        self._allowance = allowance
        self._kills = kills
        self._module = module
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._tickets = itertools.count()
        self._in_hand: deque[_Task] = deque()
        self._done: deque[Decoded] = deque()
        self._child: _Child | None = None
        self._is_ready = False
        self._deadline = math.inf

    @property
    def child_pid(self) -> int | None:
        """The process that decodes now, if there is one."""
        return self._child.process.pid if self._child else None

    def submit(self, body: bytes, limits: ImageLimits, extras: Extras = NO_EXTRAS) -> int:
        """Hands over a picture and gives the ticket of its result. Never waits; see `results`.

        Raises DecoderUnavailable.
        """
        sha256 = hashlib.sha256(body).hexdigest()
        task = _Task(ticket=next(self._tickets), body=body, limits=limits, extras=extras, sha256=sha256)
        if self._is_condemned(task):
            return task.ticket
        if not self._in_hand and self._child and self._child.process.poll() is not None:
            # It ended with nothing in hand: no picture is to blame.
            self._stop_child()
        self._in_hand.append(task)
        if self._child is None:
            self._start_child()
        else:
            self._child.send(task.request)
            if len(self._in_hand) == 1 and self._is_ready:
                self._deadline = time.monotonic() + self._allowance.wall_s
        return task.ticket

    def results(
        self, *, in_flight_at_most: int = 0, should_stop: Callable[[], bool] = lambda: False
    ) -> Iterator[Decoded]:
        """What has become of pictures that were handed over; waits until only so many are without a result.

        Ends early when `should_stop` says so; it is asked at least four times a second. Raises DecoderUnavailable.
        """
        while True:
            while self._done:
                yield self._done.popleft()
            has_room = len(self._in_hand) <= in_flight_at_most
            has_news = not should_stop() and self._pump(0.0 if has_room else _LONGEST_WAIT_S)
            if not has_news and (has_room or should_stop()):
                return

    def inspect(self, body: bytes, limits: ImageLimits, extras: Extras = NO_EXTRAS) -> ImageFacts | Rejection:
        """One picture, start to end. What was handed over before is forgotten. Raises DecoderUnavailable."""
        self.forget()
        self.submit(body, limits, extras)
        return next(self.results()).result

    def forget(self) -> None:
        """Gives up what is in hand: whoever wanted it is gone."""
        if self._in_hand:
            self._stop_child()
        self._in_hand.clear()
        self._done.clear()

    def close(self) -> None:
        """Ends the child. The next picture would start another one."""
        self._stop_child()
        self.forget()

    def _pump(self, wait_s: float) -> bool:
        """Takes in what the child says next, or holds it to its deadline; gives whether there was something."""
        wait_s = max(0.0, min(wait_s, self._deadline - time.monotonic()))
        try:
            event = self._events.get(timeout=wait_s) if wait_s else self._events.get_nowait()
        except queue.Empty:
            return self._end_overdue()
        if event.child is self._child:
            if event.frame is None:
                self._bury(event.child)
            elif self._is_ready:
                self._take(event.frame, event.at)
            else:
                self._is_ready = True
                self._deadline = event.at + self._allowance.wall_s
        return True

    def _take(self, frame: wire.Frame, at: float) -> None:
        if not self._in_hand:
            # An answer to nothing: whatever sent it is no decoder of ours any more.
            self._stop_child()
            return
        task = self._in_hand[0]
        try:
            reply = wire.read_reply(
                frame, sha256=task.sha256, size_bytes=len(task.body), limits=task.limits, extras=task.extras
            )
        except wire.WireError as error:
            self._blame(Reason.DECODER_CRASHED, f"The decoder's answer made no sense after it ({error}).")
            return
        self._in_hand.popleft()
        self._done.append(Decoded(ticket=task.ticket, result=reply.result, seconds=reply.seconds))
        self._deadline = at + self._allowance.wall_s if self._in_hand else math.inf
        if reply.is_last:
            self._replace_child()

    def _end_overdue(self) -> bool:
        if time.monotonic() < self._deadline:
            return False
        if not self._is_ready:
            self._fail_to_start(f"said nothing for {_START_S:.0f} s")
        self._blame(Reason.DECODER_TIMEOUT, f"Not decoded within {self._allowance.wall_s:g} s.")
        return True

    def _bury(self, child: "_Child") -> None:
        """The child has ended without being asked to, or said what is no answer."""
        code = child.end_code()
        if not self._is_ready:
            self._fail_to_start(f"ended with {_cause(code)}")
        if sys.platform != "win32" and code == -signal.SIGXCPU:
            self._blame(Reason.DECODER_TIMEOUT, f"Not decoded within {self._allowance.cpu_s:g} s of processor time.")
        else:
            self._blame(Reason.DECODER_CRASHED, f"The decoder ended with {_cause(code)} while it had it in hand.")

    def _blame(self, reason: Reason, detail: str) -> None:
        """The picture in hand has broken the child; the others go to the next one."""
        if self._in_hand:
            task = self._in_hand.popleft()
            log.warning("Picture %s broke the decoder: %s", task.sha256, detail)
            self._kills.note_kill(task.sha256)
            self._done.append(task.refused(reason, detail))
        self._replace_child()

    def _fail_to_start(self, how: str) -> None:
        self._stop_child()
        self._in_hand.clear()
        raise DecoderUnavailable(
            f"The decoder process {how}, so no picture can be decoded. "
            f"Run `{sys.executable} -c 'import datasets.imaging.inspect'` in {_PROJECT_DIR} to see why."
        )

    def _is_condemned(self, task: _Task) -> bool:
        """Whether the picture is not to be tried; then that is its result."""
        if not self._kills.is_condemned(task.sha256):
            return False
        what = f"It broke the decoder {MAX_KILLS} times before and is not tried again."
        self._done.append(task.refused(Reason.DECODER_CRASHED, what))
        return True

    def _replace_child(self) -> None:
        self._stop_child()
        # The picture that broke this child may be in hand a second time.
        self._in_hand = deque(task for task in self._in_hand if not self._is_condemned(task))
        if self._in_hand:
            self._start_child()

    def _start_child(self) -> None:
        allowance = self._allowance
        settings = ChildSettings(
            parent_pid=os.getpid(),
            cpu_s=allowance.cpu_s,
            memory_bytes=allowance.memory_bytes,
            pictures=allowance.pictures_per_child,
            max_growth_bytes=allowance.max_growth_bytes,
        )
        try:
            self._child = _Child([sys.executable, "-s", "-m", self._module, settings.to_argument()], self._events)
        except OSError as error:
            self._fail_to_start(f"could not be started ({error})")
            return
        self._is_ready = False
        self._deadline = time.monotonic() + _START_S
        for task in self._in_hand:
            self._child.send(task.request)

    def _stop_child(self) -> None:
        if self._child is not None:
            self._child.kill()
        self._child = None
        self._deadline = math.inf


class _Child:
    """A decoder process, and two threads that serve its pipes, so that nobody waits for a full or an empty one."""

    def __init__(self, command: list[str], events: "queue.SimpleQueue[_Event]") -> None:
        inherited = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=wire.BUFFER_BYTES,
            cwd=_PROJECT_DIR,
            env=inherited | _ONE_THREAD,
        )
        self._outbox: queue.SimpleQueue[wire.Frame | None] = queue.SimpleQueue()
        requests, replies = cast("BinaryIO", self.process.stdin), cast("BinaryIO", self.process.stdout)
        _widen(requests)
        threading.Thread(target=self._write, args=(requests,), name="decoder-requests", daemon=True).start()
        threading.Thread(target=self._read, args=(replies, events), name="decoder-replies", daemon=True).start()

    def send(self, frame: wire.Frame) -> None:
        self._outbox.put(frame)

    def end_code(self) -> int | None:
        """How the process ended; None where it has not ended of itself, and had to be killed."""
        try:
            return self.process.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.kill()

    def kill(self) -> None:
        """Ends the process at once, if it has not ended; both threads end with it."""
        self._outbox.put(None)
        self.process.kill()
        self.process.wait()

    def _write(self, pipe: BinaryIO) -> None:
        # A child that has ended is seen by the reader.
        with suppress(OSError), pipe:
            while frame := self._outbox.get():
                wire.write_frame(pipe, frame)

    def _read(self, pipe: BinaryIO, events: "queue.SimpleQueue[_Event]") -> None:
        with suppress(OSError, wire.WireError), pipe:
            while frame := wire.read_reply_frame(pipe):
                events.put(_Event(self, frame, time.monotonic()))
        events.put(_Event(self, None, time.monotonic()))


def _widen(pipe: BinaryIO) -> None:
    if sys.platform == "linux":
        # Where an operator allows less, the pipe stays as it is.
        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _cause(code: int | None) -> str:
    if code is None:
        return "an answer that made no sense"
    if code < 0:
        with suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
