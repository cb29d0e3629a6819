"""What a worker takes from a decoder: nothing that cannot be true of the picture that it handed over."""

from collections.abc import Mapping
from dataclasses import asdict, replace

import pytest

from datasets.imaging import wire
from datasets.imaging.inspect import inspect
from datasets.imaging.types import NO_EXTRAS, Extras, ImageFacts, ImageLimits, Rejection
from datasets.outcomes import Reason
from datasets.tests.pictures import encoded, noisy, sha256

LIMITS = ImageLimits()
ALL_EXTRAS = Extras(pixel_hash=True, quality=True, turned_hashes=True)
PHOTO = encoded(noisy(48, 36, seed=0))


def reply_about(body: bytes, changes: Mapping[str, object] | None = None, extras: Extras = NO_EXTRAS) -> wire.Frame:
    facts = asdict(inspect(body, LIMITS, extras=extras))
    thumbnail = facts.pop("thumbnail")
    return wire.Frame({"facts": {**facts, **(changes or {})}, "seconds": 0.1, "is_last": False}, thumbnail)


def read(frame: wire.Frame, body: bytes, extras: Extras = NO_EXTRAS) -> wire.Reply:
    return wire.read_reply(frame, sha256=sha256(body), size_bytes=len(body), limits=LIMITS, extras=extras)


def test_a_true_answer_is_taken() -> None:
    body = PHOTO
    assert read(reply_about(body), body).result == inspect(body, LIMITS)


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "0" * 64}, {"size_bytes": 1}, {"format": "SVG"}, {"format": None}, {"width_px": 0},
        {"width_px": "48"}, {"width_px": True}, {"width_px": 17_000}, {"height_px": -1}, {"frames": 2_000},
        {"phash": 1 << 64}, {"dhash": 0.5}, {"mode": "x" * 99}, {"mode": 7}, {"surprise": 1},
    ],
    ids=str,
)  # fmt: skip
def test_an_answer_that_cannot_be_true_is_not_taken(changes: dict[str, object]) -> None:
    body = PHOTO
    with pytest.raises(wire.WireError):
        read(reply_about(body, changes), body)


@pytest.mark.parametrize(
    "changes",
    [
        {"pixel_hash": ""}, {"pixel_hash": "0" * 31}, {"pixel_hash": "G" * 32}, {"pixel_hash": 7}, {"quality": None},
        {"quality": 3}, {"quality": {}}, {"turned_hashes": []}, {"turned_hashes": [[1, 2]] * 6},
        {"turned_hashes": [[1, 2, 3]] * 7}, {"turned_hashes": [[1, 1 << 63]] * 7}, {"turned_hashes": [[1, True]] * 7},
        {"turned_hashes": 7},
    ],
    ids=str,
)  # fmt: skip
def test_extras_that_cannot_be_true_are_not_taken(changes: dict[str, object]) -> None:
    body = PHOTO
    assert read(reply_about(body, extras=ALL_EXTRAS), body, ALL_EXTRAS).result == inspect(
        body, LIMITS, extras=ALL_EXTRAS
    )
    with pytest.raises(wire.WireError):
        read(reply_about(body, changes, ALL_EXTRAS), body, ALL_EXTRAS)


@pytest.mark.parametrize(
    "changes",
    [
        {"dark_score": 1.5}, {"light_score": -0.1}, {"blurry_score": float("nan")}, {"uniform_score": float("inf")},
        {"dark_score": 1}, {"dark_score": "0.5"}, {"is_grayscale": 0}, {"has_gps": None}, {"surprise": 0.5},
    ],
    ids=str,
)  # fmt: skip
def test_scores_that_cannot_be_true_are_not_taken(changes: dict[str, object]) -> None:
    body = PHOTO
    facts = inspect(body, LIMITS, extras=ALL_EXTRAS)
    assert isinstance(facts, ImageFacts)
    assert facts.quality
    quality = {**asdict(facts.quality), **changes}
    with pytest.raises(wire.WireError):
        read(reply_about(body, {"quality": quality}, ALL_EXTRAS), body, ALL_EXTRAS)


def test_extras_that_nobody_asked_for_are_not_taken() -> None:
    body = PHOTO
    for extras in (Extras(pixel_hash=True), Extras(quality=True), Extras(turned_hashes=True), Extras(thumbnail=False)):
        with pytest.raises(wire.WireError):
            read(reply_about(body, extras=extras), body)
    with pytest.raises(wire.WireError):
        read(reply_about(body), body, Extras(thumbnail=False))


@pytest.mark.parametrize(
    "message",
    [
        {}, {"facts": 3}, {"facts": {}}, {"rejection": {"reason": "no such reason"}},
        {"rejection": {"reason": "takedown", "detail": ""}, "seconds": 1, "is_last": False},
        {"rejection": {"reason": "corrupt", "detail": ""}, "seconds": "long", "is_last": False},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_answer_is_not_taken(message: dict[str, object]) -> None:
    with pytest.raises(wire.WireError):
        read(wire.Frame(message), b"")


def test_a_thumbnail_that_is_no_jpeg_is_not_taken() -> None:
    body = PHOTO
    with pytest.raises(wire.WireError):
        read(replace(reply_about(body), data=b"<script>"), body)


def test_what_a_decoder_quotes_of_a_file_is_cut_and_cleaned() -> None:
    said = Rejection(
        reason=Reason.CORRUPT, detail="bad \0\x1b[2J\ud800 " + "x" * 900, sha256=sha256(b"x"), size_bytes=1
    )
    frame = wire.reply(said, seconds=0.0, is_last=False)
    result = read(frame, b"x").result
    assert isinstance(result, Rejection)
    assert result.detail.startswith("bad   [2J  xxx")
    assert len(result.detail) == 500
