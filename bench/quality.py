"""How near quality scores come to the formulas on all pixels, and what they cost: `make bench-quality`.

Each picture is also made dark, light, poor in tones and blurred, by several degrees, so that many scores come to lie
near the thresholds. Photographs of a folder that PIXCRAWLER_BENCH_PHOTOS names are used where it is set, drawn pictures
otherwise.
"""

import argparse
import io
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from bench.decoder import photos
from bench.program import say
from datasets.imaging.checks import CHECKS, DEFAULT_THRESHOLDS
from datasets.imaging.inspect import inspect
from datasets.imaging.privacy import PrivacyNotes
from datasets.imaging.quality import Quality, measured
from datasets.imaging.thumbnails import reduced
from datasets.imaging.types import Extras, ImageFacts, ImageLimits
from datasets.tests.full_resolution import full_resolution_scores

_NO_NOTES = PrivacyNotes(has_gps=False, has_personal_data=False)
_EXTRAS: Final = {
    "nothing more": Extras(),
    "pixel_hash": Extras(pixel_hash=True),
    "turned_hashes": Extras(turned_hashes=True),
    "quality": Extras(quality=True),
    "all of them": Extras(pixel_hash=True, turned_hashes=True, quality=True),
}


def variants(picture: Image.Image) -> Iterator[Image.Image]:
    """The picture, and what is wrong with others, by several degrees."""
    yield picture
    white = Image.new(picture.mode, picture.size, "white")
    for share in (0.2, 0.3, 0.4, 0.5):
        yield ImageEnhance.Brightness(picture).enhance(share)
        yield Image.blend(white, picture, share / 5)
        yield ImageEnhance.Contrast(picture).enhance(share / 5)
        yield picture.filter(ImageFilter.GaussianBlur(max(picture.size) * share / 8))


def scored(picture: Image.Image) -> Quality:
    small = reduced(picture, side_px=ImageLimits().thumbnail_side_px, is_fine=True)
    return measured(upright=picture, small=small, frames=1, privacy=_NO_NOTES)


def compare(pictures: Sequence[Image.Image]) -> None:
    names = list(full_resolution_scores(pictures[0]))
    rows = [
        [(getattr(scored(variant), name), full_resolution_scores(variant)[name]) for name in names]
        for picture in pictures
        for variant in variants(picture)
    ]
    ours, theirs = np.moveaxis(np.array(rows), 2, 0)
    thresholds = {info.field: DEFAULT_THRESHOLDS[check] for check, info in CHECKS.items() if info.threshold}
    say(f"{len(rows)} pictures, variants included: distance from the formulas on all pixels")
    for index, name in enumerate(names):
        distance = np.abs(ours[:, index] - theirs[:, index])
        flagged, expected = (scores[:, index] < thresholds[name] for scores in (ours, theirs))
        say(
            f"  {name:24} median {np.median(distance):.5f}  99th percentile {np.percentile(distance, 99):.4f}  "
            f"most {distance.max():.4f}   flagged {expected.sum()}, otherwise here {(flagged != expected).sum()}"
        )


def cost(bodies: Sequence[bytes], pictures: Sequence[Image.Image]) -> None:
    say(f"Processor time of each of {len(bodies)} pictures, best of 5 rounds")
    for name, extras in _EXTRAS.items():
        say(f"  decoded, with {name:16}: {best_ms(partial(_decode, extras=extras), bodies):6.2f} ms")
    say(f"  formulas on all pixels        : {best_ms(full_resolution_scores, pictures):6.2f} ms")


def _decode(body: bytes, extras: Extras) -> None:
    if not isinstance(inspect(body, ImageLimits(), extras=extras), ImageFacts):
        raise SystemExit("Not every picture was sound: take others to measure with.")


def best_ms(work: Callable[[Any], object], items: Sequence[object]) -> float:
    """Milliseconds of processor time for each item, in the best of five rounds."""
    rounds_s = []
    for _ in range(5):
        started = time.process_time()
        for item in items:
            work(item)
        rounds_s.append(time.process_time() - started)
    return 1000 * min(rounds_s) / len(items)


def enlarged(body: bytes, megapixels: float) -> bytes:
    picture = Image.open(io.BytesIO(body)).convert("RGB")
    factor = (megapixels * 1e6 / (picture.width * picture.height)) ** 0.5
    output = io.BytesIO()
    picture.resize((round(picture.width * factor), round(picture.height * factor))).save(output, "JPEG", quality=88)
    return output.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares quality scores with the formulas on all pixels.")
    parser.add_argument(
        "--megapixels", type=float, nargs="*", default=[0.5, 2, 12], help="sizes to enlarge pictures to"
    )
    asked = parser.parse_args()
    bodies = photos()
    pictures = [Image.open(io.BytesIO(body)) for body in bodies]
    cost(bodies, pictures)
    for megapixels in asked.megapixels:
        large = [enlarged(body, megapixels) for body in bodies[:4]]
        say(f"Enlarged to {megapixels:g} megapixels:")
        cost(large, [Image.open(io.BytesIO(body)) for body in large])
    compare(pictures)


if __name__ == "__main__":
    main()
