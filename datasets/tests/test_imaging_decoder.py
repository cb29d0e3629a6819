"""A picture that breaks the decoder costs itself alone, and no decoder outlives its worker."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from conftest import wait_until
from datasets.imaging.decoder import Allowance, Decoded, Decoder, DecoderUnavailable
from datasets.imaging.inspect import inspect
from datasets.imaging.types import NO_EXTRAS, Extras, ImageFacts, ImageLimits, Rejection
from datasets.outcomes import Reason
from datasets.tests.breaking_child import breaking
from datasets.tests.pictures import (
    FORMATS,
    animated,
    cuts,
    drawn,
    encoded,
    gif_repeating,
    noisy,
    png_blank,
    png_claiming,
    sha256,
)

LIMITS = ImageLimits()
ALL_EXTRAS = Extras(pixel_hash=True, quality=True, turned_hashes=True)
MIB = 1024 * 1024


class Kills:
    """Remembers for one test what broke decoders."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def is_condemned(self, sha256: str) -> bool:
        return self.counts[sha256] >= 2

    def note_kill(self, sha256: str) -> None:
        self.counts[sha256] += 1


@pytest.fixture
def kills() -> Kills:
    return Kills()


@pytest.fixture
def decoder(kills: Kills) -> Iterator[Decoder]:
    """A decoder that breaks on command (see breaking_child), with little patience."""
    decoder = Decoder(
        allowance=Allowance(cpu_s=1, memory_bytes=256 * MIB, max_growth_bytes=32 * MIB),
        kills=kills,
        module="datasets.tests.breaking_child",
    )
    yield decoder
    decoder.close()


def photos(count: int) -> list[bytes]:
    return [encoded(noisy(48, 36, seed=seed)) for seed in range(count)]


def decoded(decoder: Decoder, bodies: list[bytes], limits: ImageLimits = LIMITS) -> list[ImageFacts | Rejection]:
    """Decodes them all as one batch; gives the results in the order of the bodies."""
    tickets = [decoder.submit(body, limits) for body in bodies]
    results = {one.ticket: one.result for one in decoder.results()}
    assert sorted(results) == sorted(tickets)
    return [results[ticket] for ticket in tickets]


def is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_the_child_says_what_the_same_rules_say_here(decoder: Decoder) -> None:
    bodies = [encoded(drawn(), format) for format in FORMATS]
    bodies += [b"", b"<html></html>", encoded(noisy())[:2000], png_claiming(8_000, 8_000)]
    assert decoded(decoder, bodies) == [inspect(body, LIMITS) for body in bodies]


def test_limits_go_with_each_picture(decoder: Decoder) -> None:
    body = encoded(noisy(40, 30))
    result = decoder.inspect(body, ImageLimits(min_width_px=41))
    assert isinstance(result, Rejection)
    assert result.reason == Reason.TOO_SMALL
    assert isinstance(decoder.inspect(body, LIMITS), ImageFacts)


def test_the_child_gives_each_picture_the_extras_that_were_asked_for_it(decoder: Decoder) -> None:
    bodies = photos(5)
    wanted = [ALL_EXTRAS, NO_EXTRAS, Extras(pixel_hash=True), Extras(quality=True), Extras(thumbnail=False)]
    for body, extras in zip(bodies, wanted, strict=True):
        decoder.submit(body, LIMITS, extras)
    results = [one.result for one in decoder.results()]
    assert results == [inspect(body, LIMITS, extras=extras) for body, extras in zip(bodies, wanted, strict=True)]


def test_results_may_be_taken_while_more_is_handed_over(decoder: Decoder) -> None:
    bodies = photos(30)
    taken: list[Decoded] = []
    for handed_over, body in enumerate(bodies, start=1):
        decoder.submit(body, LIMITS)
        taken += decoder.results(in_flight_at_most=4)
        assert handed_over - len(taken) <= 4
    taken += decoder.results()
    assert [one.result for one in taken] == [inspect(body, LIMITS) for body in bodies]
    assert all(one.seconds > 0 for one in taken)


def test_ten_thousand_sound_pictures_go_through_one_child(kills: Kills) -> None:
    # Far more processor time in all than one picture may take.
    decoder = Decoder(allowance=Allowance(cpu_s=2), kills=kills)
    bodies = [encoded(noisy(8, 6, seed=seed), "PNG") for seed in range(100)]
    expected = [inspect(body, LIMITS) for body in bodies]
    decoder.inspect(bodies[0], LIMITS)
    pid = decoder.child_pid
    results: list[Decoded] = []
    for _ in range(100):
        for body in bodies:
            decoder.submit(body, LIMITS)
            results += decoder.results(in_flight_at_most=8)
    results += decoder.results()
    assert len(results) == 10_000
    assert all(one.result == expected[index % 100] for index, one in enumerate(results))
    assert decoder.child_pid == pid
    decoder.close()


@pytest.mark.parametrize(
    ("how", "reason", "word"),
    [
        ("segfault", Reason.DECODER_CRASHED, "SIGSEGV"),
        ("exit", Reason.DECODER_CRASHED, "exit code 3"),
        ("kill", Reason.DECODER_CRASHED, "SIGKILL"),
        ("lie", Reason.DECODER_CRASHED, "made no sense"),
        ("babble", Reason.DECODER_CRASHED, "made no sense"),
        ("close", Reason.DECODER_CRASHED, "made no sense"),
        ("spin", Reason.DECODER_TIMEOUT, "processor time"),
    ],
)
def test_a_picture_that_breaks_the_child_costs_itself_alone(
    decoder: Decoder, kills: Kills, how: str, reason: Reason, word: str
) -> None:
    bodies = photos(6)
    bodies.insert(2, breaking(how))
    results = decoded(decoder, bodies)
    broken = results.pop(2)
    assert isinstance(broken, Rejection)
    assert (broken.reason, broken.sha256, broken.size_bytes) == (reason, sha256(bodies[2]), len(bodies[2]))
    assert word in broken.detail
    assert all(isinstance(result, ImageFacts) for result in results)
    assert kills.counts == {sha256(bodies[2]): 1}


def test_a_picture_that_hangs_without_working_is_given_up(kills: Kills) -> None:
    decoder = Decoder(allowance=Allowance(wall_s=1.5), kills=kills, module="datasets.tests.breaking_child")
    first, hanging, last = decoded(decoder, [photos(1)[0], breaking("sleep"), photos(1)[0]])
    assert isinstance(hanging, Rejection)
    assert (hanging.reason, hanging.detail) == (Reason.DECODER_TIMEOUT, "Not decoded within 1.5 s.")
    assert first == last
    decoder.close()


@pytest.mark.parametrize("how", ["allocate", "allocate-slowly"])
def test_a_picture_that_needs_too_much_memory_is_named_so_and_kills_nobody(
    decoder: Decoder, kills: Kills, how: str
) -> None:
    first, hungry, last = decoded(decoder, [photos(1)[0], breaking(how), photos(1)[0]])
    assert isinstance(hungry, Rejection)
    assert hungry.reason == Reason.DECODER_CRASHED
    assert "memory" in hungry.detail
    assert first == last
    assert not kills.counts


def test_an_unforeseen_error_is_a_crash_of_that_picture(decoder: Decoder) -> None:
    result = decoder.inspect(breaking("stumble"), LIMITS)
    assert isinstance(result, Rejection)
    assert (result.reason, "KeyError" in result.detail) == (Reason.DECODER_CRASHED, True)


def test_what_has_broken_two_children_is_never_tried_again(decoder: Decoder, kills: Kills) -> None:
    body, other = breaking("segfault"), breaking("segfault", 1)
    results = [decoder.inspect(body, LIMITS) for _ in range(4)]
    decoder.inspect(other, LIMITS)
    assert [result.reason for result in results if isinstance(result, Rejection)] == [Reason.DECODER_CRASHED] * 4
    assert kills.counts == {sha256(body): 2, sha256(other): 1}
    assert ["not tried again" in getattr(result, "detail", "") for result in results] == [False, False, True, True]


def test_a_child_that_ends_while_it_has_nothing_to_do_is_no_pictures_fault(decoder: Decoder, kills: Kills) -> None:
    body = photos(1)[0]
    decoder.inspect(body, LIMITS)
    pid = decoder.child_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: is_gone(pid), seconds=5)
    assert isinstance(decoder.inspect(body, LIMITS), ImageFacts)
    assert not kills.counts


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_to_the_whole_group_leave_the_child_to_its_worker(decoder: Decoder, number: signal.Signals) -> None:
    body = photos(1)[0]
    decoder.inspect(body, LIMITS)
    pid = decoder.child_pid
    assert pid is not None
    os.kill(pid, number)
    assert isinstance(decoder.inspect(body, LIMITS), ImageFacts)
    assert decoder.child_pid == pid


def test_a_child_is_replaced_after_so_many_pictures(kills: Kills) -> None:
    decoder = Decoder(allowance=Allowance(pictures_per_child=4), kills=kills)
    bodies = photos(10)
    assert decoded(decoder, bodies) == [inspect(body, LIMITS) for body in bodies]
    assert not kills.counts
    decoder.close()


def test_a_child_that_keeps_hold_of_memory_is_replaced(decoder: Decoder, kills: Kills) -> None:
    decoder.inspect(photos(1)[0], LIMITS)
    before = decoder.child_pid
    results = decoded(decoder, [breaking("grow"), *photos(2)])
    assert [isinstance(result, ImageFacts) for result in results] == [False, True, True]
    assert decoder.child_pid != before
    assert not kills.counts


def test_waiting_ends_when_it_is_to_stop_and_the_next_batch_starts_anew(decoder: Decoder) -> None:
    for body in (breaking("sleep"), photos(1)[0]):
        decoder.submit(body, LIMITS)
    asked = iter([False, False, True])
    assert list(decoder.results(should_stop=lambda: next(asked, True))) == []
    decoder.forget()
    bodies = photos(3)
    assert decoded(decoder, bodies) == [inspect(body, LIMITS) for body in bodies]


def test_a_decoder_that_cannot_start_says_so(kills: Kills) -> None:
    decoder = Decoder(allowance=Allowance(), kills=kills, module="datasets.imaging.nothing_here")
    with pytest.raises(DecoderUnavailable, match="exit code 1, so no picture can be decoded"):
        decoder.inspect(photos(1)[0], LIMITS)
    assert not kills.counts


def test_the_child_sees_no_secrets_no_files_and_leaves_no_core(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET_KEY", "s3cret")
    with (tmp_path / "open").open("w"):
        result = decoder.inspect(breaking("tell"), LIMITS)
    assert isinstance(result, Rejection)
    seen = json.loads(result.detail)
    assert "SECRET_KEY" not in seen["environment"]
    assert set(seen["files"]) == {"pipe", "/dev/null"}
    assert seen["core"] == 0


@pytest.mark.parametrize(
    ("state", "end"),
    [
        ("idle", "os._exit(0)"),
        ("idle", "sys.exit()"),
        ("busy", "os.kill(os.getpid(), 15)"),
        ("busy", "os.kill(os.getpid(), 9)"),
    ],
)
def test_the_child_ends_with_its_worker_however_that_ends(state: str, end: str) -> None:
    program = f"""
import os, sys
from datasets.imaging.decoder import Allowance, Decoder
from datasets.imaging.types import ImageLimits
from datasets.tests.breaking_child import breaking
from datasets.tests.test_imaging_decoder import Kills, photos
decoder = Decoder(allowance=Allowance(), kills=Kills(), module="datasets.tests.breaking_child")
decoder.inspect(photos(1)[0], ImageLimits())
if {state == "busy"}:
    decoder.submit(breaking("sleep"), ImageLimits())
print(decoder.child_pid, flush=True)
sys.stdin.readline()
{end}
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        child = int(worker.stdout.readline())
        assert not is_gone(child)
        worker.communicate("\n")
    wait_until(lambda: is_gone(child), seconds=5)


# Bombs. Each is small, and sound as far as its format goes.


def test_a_bomb_of_frames_ends_at_its_limit_of_processor_time(decoder: Decoder) -> None:
    result = decoder.inspect(gif_repeating(frames=900, size_px=(740, 740)), LIMITS)
    assert isinstance(result, Rejection)
    assert result.reason == Reason.DECODER_TIMEOUT


def test_a_bomb_of_pixels_ends_at_its_limit_of_memory(kills: Kills) -> None:
    decoder = Decoder(allowance=Allowance(memory_bytes=64 * MIB), kills=kills)
    bomb, sound = decoded(decoder, [png_blank(7_000, 7_000), photos(1)[0]])
    assert isinstance(bomb, Rejection)
    assert (bomb.reason, "memory" in bomb.detail) == (Reason.DECODER_CRASHED, True)
    assert isinstance(sound, ImageFacts)
    decoder.close()


def test_the_largest_permitted_picture_fits_into_the_memory_of_the_default(kills: Kills) -> None:
    decoder = Decoder(allowance=Allowance(), kills=kills)
    result = decoder.inspect(png_blank(8_000, 6_250, corner=True), LIMITS)
    assert isinstance(result, ImageFacts), result
    decoder.close()


def test_scipy_comes_with_the_first_picture_that_needs_it_and_is_not_taken_from_its_memory(kills: Kills) -> None:
    # Less than SciPy takes of addresses.
    decoder = Decoder(allowance=Allowance(cpu_s=2, memory_bytes=16 * MIB), kills=kills)
    square, symmetric = noisy(64, 64), Image.linear_gradient("L").resize((64, 64))
    for picture, needs_scipy in ((square, False), (symmetric, True), (square, True)):
        body = encoded(picture, "PNG")
        assert decoder.inspect(body, LIMITS) == inspect(body, LIMITS)
        assert ("/site-packages/scipy/" in Path(f"/proc/{decoder.child_pid}/maps").read_text()) is needs_scipy
    decoder.close()


# The corpus: by default what is made here; PIXCRAWLER_TEST_IMAGES names a folder of others, such as Pillow's own.


def corpus() -> list[tuple[str, bytes]]:
    folder = os.environ.get("PIXCRAWLER_TEST_IMAGES")
    if folder:
        return [(str(path), path.read_bytes()) for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    bodies = [encoded(noisy(64, 48), format) for format in FORMATS]
    bodies += [animated(format) for format in ("GIF", "WEBP", "PNG", "TIFF", "AVIF")]
    return [
        (f"{inspect(body, LIMITS)} cut to {cut}", damaged)
        for body in bodies
        for cut in cuts(body)
        for damaged in (body[:cut], body[:cut] + b"\0" * 512 + body[cut + 512 :])
    ]


def test_malformed_pictures_crash_nothing_hang_nothing_and_stay_below_the_limit(kills: Kills) -> None:
    decoder = Decoder(allowance=Allowance(), kills=kills)
    pictures = corpus()
    results = decoded(decoder, [body for _, body in pictures])
    broken = [
        (name, result.reason, result.detail)
        for (name, _), result in zip(pictures, results, strict=True)
        if isinstance(result, Rejection) and result.reason in (Reason.DECODER_CRASHED, Reason.DECODER_TIMEOUT)
    ]
    assert len(results) > 100
    assert broken == []
    assert not kills.counts
    decoder.close()
