"""How quickly look-alikes are found, and how many of them: `make bench-duplicates`.

First hashes with planted clusters, in growing numbers, each number in a process of its own; then pictures and changed
copies of them, of a folder that PIXCRAWLER_BENCH_PHOTOS names where it is set, made ones otherwise. Figures go to
var/bench/duplicates.json as well.
"""

import argparse
import json
import math
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.changed_pictures import CHANGES, Collection, collected, made
from bench.decoder import photos
from bench.program import say
from datasets.duplicates import COMBINED_MAX_BITS, NearIndex
from datasets.grouping import Images, Prints, group
from datasets.multi_index import Pairs, pairs_between, pairs_within

DEFAULT_BITS = 10
_SIZES = (10_000, 100_000, 1_000_000)
_SHORT_SIZES = (10_000, 100_000)
_MADE_PICTURES = 250
_BLOCK = 1000
_ADDITIONS = 50
_RESULT = Path("var/bench/duplicates.json")

P = ParamSpec("P")
Result = TypeVar("Result")
Hashes = NDArray[np.int64]
Keys = NDArray[np.int64]


def planted(count: int) -> tuple[Hashes, Hashes]:
    """Two fifths look like one of the others, by up to 12 bits of pHash; a tenth of these equal it. In any order."""
    rng = np.random.default_rng(count)
    bases = count * 3 // 5
    sources = np.concatenate([np.arange(bases), rng.integers(0, bases // 4, count - bases)])
    changes = rng.integers(0, 13, count) * (rng.random(count) < 0.9)
    changes[:bases] = 0
    hashes = []
    for most_bits in (changes, changes + changes // 2):
        bits = rng.integers(0, 2**64, bases, np.uint64)[sources]
        for step in range(18):
            mask = np.uint64(1) << rng.integers(0, 64, count).astype(np.uint64)
            bits ^= np.where(step < most_bits, mask, np.uint64(0))
        hashes.append(bits)
    order = rng.permutation(count)
    return hashes[0][order].view(np.int64), hashes[1][order].view(np.int64)


def found(phashes: Hashes, dhashes: Hashes, max_bits: int) -> Keys:
    """What the search finds, each pair as one number."""
    count, batches = len(phashes), pairs_within(phashes, dhashes, max_bits=max_bits)
    return np.sort(np.concatenate([np.empty(0, np.int64), *(pairs.left * count + pairs.right for pairs in batches)]))


def brute_force(phashes: Hashes, dhashes: Hashes, max_bits: int, *, is_confirmed: bool = True) -> Keys:
    """All with all, each pair that looks alike as one number; without asking the dHash where not confirmed."""
    p, d, count = phashes.view(np.uint64), dhashes.view(np.uint64), len(phashes)
    blocks = [np.empty(0, np.int64)]
    for start in range(0, count, _BLOCK):
        for begin in range(start, count, _BLOCK):
            bits = np.bitwise_count(p[start : start + _BLOCK, None] ^ p[begin : begin + _BLOCK])
            i, j = np.divmod(np.flatnonzero(bits <= max_bits), bits.shape[1])
            bits, i, j = bits[i, j], i + start, j + begin
            is_pair = i < j
            if is_confirmed:
                is_pair &= bits + np.bitwise_count(d[i] ^ d[j]) <= COMBINED_MAX_BITS
            blocks.append(i[is_pair] * count + j[is_pair])
    return np.sort(np.concatenate(blocks))


def firsts_only(keys: Keys, phashes: Hashes, dhashes: Hashes) -> Keys:
    """Of pairs with pictures that are equal in both hashes, those that the search is to give."""
    count = len(phashes)
    _, first, which = np.unique(np.column_stack([phashes, dhashes]), axis=0, return_index=True, return_inverse=True)
    firsts = first[which.ravel()]
    left, right = np.divmod(keys, count)
    return np.sort(keys[(firsts[left] == left) & ((firsts[right] == right) | (firsts[right] == left))])


def images_of(phashes: Hashes, dhashes: Hashes, *, pixels: Keys, sizes_bytes: Keys) -> Images:
    count = len(phashes)
    return Images(
        ids=np.arange(1, count + 1),
        prints=Prints(phashes=phashes, dhashes=dhashes, pixel_hashes=np.zeros(count, "S1")),
        is_licence_known=np.zeros(count, np.bool_),
        pixels=pixels,
        sharpness=np.full(count, np.nan),
        sizes_bytes=sizes_bytes,
    )


def timed(work: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> tuple[float, Result]:
    started = time.perf_counter()
    result = work(*args, **kwargs)
    return time.perf_counter() - started, result


def peak_mib() -> float:
    """The most memory this process ever had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def search(count: int, max_bits: int, *, with_brute_force: bool) -> dict[str, Any]:
    """One number of hashes: seconds and memory of the search and of the groups, and of adding one picture."""
    phashes, dhashes = planted(count)
    search_s, keys = timed(found, phashes, dhashes, max_bits)
    figures: dict[str, Any] = {"hashes": count, "max_bits": max_bits, "search_s": search_s, "pairs": len(keys)}
    figures["search_peak_mib"] = peak_mib()
    rng = np.random.default_rng(0)
    images = images_of(
        phashes, dhashes, pixels=rng.integers(1, 9, count) * 100_000, sizes_bytes=rng.integers(1, 10**6, count)
    )
    figures["group_s"], grouping = timed(group, images, max_bits=max_bits)
    figures["groups"] = len(np.unique(grouping.keepers[grouping.keepers != np.arange(count)]))
    figures["group_peak_mib"] = peak_mib()
    figures |= additions(phashes, dhashes, max_bits)
    if with_brute_force:
        figures["brute_force_s"], every = timed(brute_force, phashes, dhashes, max_bits)
        expected = firsts_only(every, phashes, dhashes)
        figures["is_identical_to_brute_force"] = bool(np.array_equal(keys, expected))
    return figures


def additions(phashes: Hashes, dhashes: Hashes, max_bits: int) -> dict[str, float]:
    """Milliseconds for one more picture to find the nearest, and all that look like it; medians of many."""
    index = NearIndex()
    index.extend(range(len(phashes)), phashes.tolist(), dhashes.tolist())
    nearest_s, all_alike_s = [], []
    for place in range(_ADDITIONS):
        phash, dhash = phashes[place : place + 1] ^ 5, dhashes[place : place + 1]
        nearest_s.append(timed(index.nearest, int(phash[0]), int(dhash[0]), max_bits=max_bits)[0])
        all_alike_s.append(timed(all_alike, phash, dhash, phashes, dhashes, max_bits)[0])
    return {
        "add_nearest_ms": 1000 * statistics.median(nearest_s),
        "add_all_alike_ms": 1000 * statistics.median(all_alike_s),
    }


def all_alike(phash: Hashes, dhash: Hashes, phashes: Hashes, dhashes: Hashes, max_bits: int) -> list[Pairs]:
    return [*pairs_between(phash, dhash, phashes, dhashes, max_bits=max_bits)]


def growth(rows: list[dict[str, Any]]) -> list[float]:
    """The power of the number of hashes with which the time of the search grows, from each number to the next."""
    return [
        math.log(later["search_s"] / earlier["search_s"]) / math.log(later["hashes"] / earlier["hashes"])
        for earlier, later in pairwise(rows)
    ]


def judged(pictures: Collection, max_bits: int) -> dict[str, Any]:
    """How good groups are at one distance, by pairs of pictures in one group; and the search beside brute force."""
    count = len(pictures.sources)
    images = images_of(pictures.phashes, pictures.dhashes, pixels=pictures.pixels, sizes_bytes=pictures.sizes_bytes)
    keepers = group(images, max_bits=max_bits).keepers
    is_true = np.triu(pictures.sources[:, None] == pictures.sources, 1)
    is_grouped = np.triu(keepers[:, None] == keepers, 1)
    right = int((is_true & is_grouped).sum())
    every = brute_force(pictures.phashes, pictures.dhashes, max_bits)
    expected = firsts_only(every, pictures.phashes, pictures.dhashes)
    ours = found(pictures.phashes, pictures.dhashes, max_bits)
    unconfirmed = brute_force(pictures.phashes, pictures.dhashes, max_bits, is_confirmed=False)
    return {
        "max_bits": max_bits,
        "precision": right / max(int(is_grouped.sum()), 1),
        "recall": right / int(is_true.sum()),
        "pairs": len(ours),
        "pairs_of_brute_force": len(expected),
        "recall_of_index": len(np.intersect1d(ours, expected)) / max(len(expected), 1),
        "false_pairs": false_pairs(every, pictures.sources, count),
        "false_pairs_by_phash_alone": false_pairs(unconfirmed, pictures.sources, count),
    }


def false_pairs(keys: Keys, sources: Keys, count: int) -> int:
    left, right = np.divmod(keys, count)
    return int((sources[left] != sources[right]).sum())


def grouped_with_source(pictures: Collection, max_bits: int) -> dict[str, float]:
    """For each change, the share of pictures that are grouped with their source."""
    images = images_of(pictures.phashes, pictures.dhashes, pixels=pictures.pixels, sizes_bytes=pictures.sizes_bytes)
    keepers = group(images, max_bits=max_bits).keepers.reshape(-1, len(CHANGES) + 1)
    shares = (keepers[:, 1:] == keepers[:, :1]).mean(axis=0)
    return dict(zip(CHANGES, shares.tolist(), strict=True))


def machine() -> dict[str, Any]:
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "load_1_min": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def processor() -> str:
    """The processor's name, where the system tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def report_search(sizes: list[int], max_bits: int, brute_force_up_to: int) -> list[dict[str, Any]]:
    say(f"Search among hashes with planted clusters, pHash within {max_bits} bits, one thread")
    say("     hashes   search     pairs  memory   groups with search  memory   add 1: nearest, all alike   brute force")
    rows = []
    context = multiprocessing.get_context("spawn")
    for count in sizes:
        # A process of its own: its peak of memory is that of this number.
        with context.Pool(1) as pool:
            row = pool.apply(search, (count, max_bits), {"with_brute_force": count <= brute_force_up_to})
        rows.append(row)
        verdict = "same pairs" if row.get("is_identical_to_brute_force") else "OTHER PAIRS"
        compared = f"{row['brute_force_s']:8.2f} s, {verdict}" if "brute_force_s" in row else "not run"
        say(
            f"{count:11,} {row['search_s']:7.2f} s {row['pairs']:9,} {row['search_peak_mib']:4.0f} MiB"
            f" {row['groups']:9,} in {row['group_s']:6.2f} s {row['group_peak_mib']:4.0f} MiB"
            f" {row['add_nearest_ms']:15.2f} ms {row['add_all_alike_ms']:6.2f} ms   {compared}"
        )
    say(f"Time grows with the number to the power of {', '.join(f'{power:.2f}' for power in growth(rows))}.")
    return rows


def report_pictures(bodies: list[bytes], kind: str) -> dict[str, Any]:
    pictures = collected(bodies)
    say(f"{len(bodies)} {kind}, {len(CHANGES)} changed copies of each; groups by the distance of pHash that is allowed")
    say("  bits  precision   recall   pairs  brute force  recall of index   false pairs  by pHash alone")
    rows = [judged(pictures, max_bits) for max_bits in range(17)]
    for row in rows:
        say(
            f"  {row['max_bits']:4} {row['precision']:10.4f} {row['recall']:8.4f} {row['pairs']:7,}"
            f" {row['pairs_of_brute_force']:12,} {row['recall_of_index']:16.4f} {row['false_pairs']:13,}"
            f" {row['false_pairs_by_phash_alone']:15,}"
        )
    shares = grouped_with_source(pictures, DEFAULT_BITS)
    say(f"Grouped with their source at {DEFAULT_BITS} bits:")
    for change, share in shares.items():
        say(f"  {change:26} {share:7.2%}")
    return {"pictures": kind, "count": len(bodies), "by_distance": rows, "grouped_with_source": shares}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the search for look-alikes.")
    parser.add_argument("--short", action="store_true", help="10,000 and 100,000 hashes; under five minutes")
    parser.add_argument("--sizes", type=int, nargs="+", help="hashes (10,000, 100,000 and 1,000,000)")
    parser.add_argument("--max-bits", type=int, default=DEFAULT_BITS)
    parser.add_argument(
        "--brute-force-up-to",
        type=int,
        default=100_000,
        help="compare all with all up to so many hashes; a million takes a quarter of an hour (default 100000)",
    )
    asked = parser.parse_args()
    sizes = asked.sizes or (_SHORT_SIZES if asked.short else _SIZES)
    about = machine()
    say(f"{about['processor']}, {about['cores']} cores, load {about['load_1_min']:.1f}, {about['system']}")
    say(f"Python {about['python']}, NumPy {about['numpy']}")
    say()
    rows = report_search(sorted(sizes), asked.max_bits, asked.brute_force_up_to)
    say()
    is_given = bool(os.environ.get("PIXCRAWLER_BENCH_PHOTOS"))
    kind = "photographs of PIXCRAWLER_BENCH_PHOTOS" if is_given else "pictures made by this program"
    found_pictures = report_pictures(photos() if is_given else made(_MADE_PICTURES), kind)
    _RESULT.parent.mkdir(parents=True, exist_ok=True)
    figures = {"machine": about, "search": rows, "growth": growth(rows), "pictures": found_pictures}
    _RESULT.write_text(json.dumps(figures, indent=1) + "\n")
    say(f"\nAll figures: {_RESULT}")
    if not all(row.get("is_identical_to_brute_force", True) for row in rows):
        raise SystemExit("The search did not find what brute force finds: see datasets/multi_index.py.")


if __name__ == "__main__":
    main()
