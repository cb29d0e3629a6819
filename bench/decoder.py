"""What the wall around the decoder costs: `make bench-decoder`.

Fetches and decodes pictures from a loopback web, decoding once in the worker process and once in its child, in
interleaved rounds, with as many worker processes as asked for. Photographs of a folder that PIXCRAWLER_BENCH_PHOTOS
names are used where it is set, drawn ones otherwise.
"""

import argparse
import io
import multiprocessing
import os
import statistics
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil
from PIL import Image, ImageFilter

from bench.program import say
from datasets.imaging.decoder import Allowance, Decoder
from datasets.imaging.inspect import inspect
from datasets.imaging.types import ImageFacts, ImageLimits, Rejection
from jobs.crawl.curl_request import FetchLimits
from jobs.crawl.fetch import Fetcher, Idle
from jobs.crawl.hostgate import HostRules, LocalHostGate
from jobs.crawl.netguard import AddressPolicy
from jobs.crawl.types import Candidate, Fetched

_DRAWN = 60
_WARM_UP = 32
_IN_FLIGHT = 8


class NoKills:
    """Nothing here breaks a decoder."""

    def is_condemned(self, sha256: str) -> bool:
        return not sha256

    def note_kill(self, sha256: str) -> None:
        raise RuntimeError(f"{sha256} broke the decoder: no sound picture to measure with.")


def photos() -> list[bytes]:
    folder = os.environ.get("PIXCRAWLER_BENCH_PHOTOS")
    if folder:
        return [path.read_bytes() for path in sorted(Path(folder).iterdir()) if path.is_file()]
    return [_drawn(seed) for seed in range(_DRAWN)]


def _drawn(seed: int) -> bytes:
    """About a fifth of a megapixel and a hundred kilobytes, like a photograph of the web."""
    noise = np.random.default_rng(seed).integers(0, 256, (420, 560, 3), dtype=np.uint8)
    output = io.BytesIO()
    Image.fromarray(noise).filter(ImageFilter.GaussianBlur(0.8)).save(output, "JPEG", quality=90)
    return output.getvalue()


def serve(bodies: Sequence[bytes], tell: Connection) -> None:
    """A web in a process of its own; /N is the N-th picture."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = bodies[int(self.path[1:].partition("?")[0]) % len(bodies)]
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    tell.send(server.server_address[1])
    server.serve_forever()


def work(port: int, pictures: int, is_child: bool, begin: "threading.Barrier", tell: Connection) -> None:
    """One worker: fetches and decodes so many pictures, as a chunk does; tells what it took."""
    own = frozenset({f"127.0.0.1:{port}"})
    fetcher = Fetcher(
        limits=FetchLimits(),
        policy=AddressPolicy(allow_hosts=own),
        user_agent="PixCrawler-bench",
        gate=LocalHostGate(rules=HostRules(free_hosts=own)),
    )
    candidates = [Candidate(url=f"http://127.0.0.1:{port}/{n}", source="bench") for n in range(pictures)]
    decoder = Decoder(allowance=Allowance(), kills=NoKills())
    run = partial(_run_in_child, decoder) if is_child else _run_here
    list(run(fetcher, candidates[:_WARM_UP]))
    begin.wait()
    started, started_cpu_s = time.perf_counter(), _cpu_s(decoder)
    results = list(run(fetcher, candidates))
    seconds, cpu_s = time.perf_counter() - started, _cpu_s(decoder) - started_cpu_s
    decoder.close()
    if not all(isinstance(result, ImageFacts) for result in results) or len(results) != pictures:
        raise SystemExit("Not every picture was sound: take others to measure with.")
    tell.send((seconds, cpu_s))


def _cpu_s(decoder: Decoder) -> float:
    """Processor time of this process and its decoder so far."""
    own = time.process_time()
    if decoder.child_pid is None:
        return own
    used = psutil.Process(decoder.child_pid).cpu_times()
    return own + float(used.user) + float(used.system)


def _bodies(fetcher: Fetcher, candidates: Sequence[Candidate]) -> Iterator[bytes]:
    for arrival in fetcher.fetch_many(deque(candidates)):
        if not isinstance(arrival, Idle) and isinstance(arrival[1], Fetched):
            yield arrival[1].body


def _run_here(fetcher: Fetcher, candidates: Sequence[Candidate]) -> Iterator[ImageFacts | Rejection]:
    for body in _bodies(fetcher, candidates):
        yield inspect(body, ImageLimits())


def _run_in_child(
    decoder: Decoder, fetcher: Fetcher, candidates: Sequence[Candidate]
) -> Iterator[ImageFacts | Rejection]:
    for body in _bodies(fetcher, candidates):
        decoder.submit(body, ImageLimits())
        for decoded in decoder.results(in_flight_at_most=_IN_FLIGHT):
            yield decoded.result
    for decoded in decoder.results():
        yield decoded.result


def round_of(port: int, pictures: int, workers: int, is_child: bool) -> tuple[float, float]:
    """Pictures per second of all workers together, and milliseconds of processor time per picture."""
    context = multiprocessing.get_context("fork")
    begin = context.Barrier(workers)
    pipes = [context.Pipe(duplex=False) for _ in range(workers)]
    processes = [context.Process(target=work, args=(port, pictures, is_child, begin, tell)) for _, tell in pipes]
    for process, (_, tell) in zip(processes, pipes, strict=True):
        process.start()
        # Only the worker keeps it: should that fail, there is an end of the pipe to be heard.
        tell.close()
    told = [hear.recv() for hear, _ in pipes]
    for process in processes:
        process.join()
    slowest_s = max(float(seconds) for seconds, _ in told)
    cpu_s = sum(float(cpu_s) for _, cpu_s in told)
    return pictures * workers / slowest_s, 1000 * cpu_s / (pictures * workers)


def compare(port: int, pictures: int, workers: int, rounds: int) -> None:
    speeds, costs = [], []
    for _ in range(rounds):
        (here, here_ms), (child, child_ms) = (round_of(port, pictures, workers, is_child) for is_child in (False, True))
        speeds.append(child / here)
        costs.append(child_ms / here_ms)
        say(
            f"  {workers} workers: in the worker {here:6.1f}/s, {here_ms:5.2f} ms of processor each"
            f"   in the child {child:6.1f}/s, {child_ms:5.2f} ms"
        )
    say(
        f"  {workers} workers, median of the child against the worker: "
        f"speed × {statistics.median(speeds):.2f}, processor time × {statistics.median(costs):.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares decoding in the worker process with decoding in its child.")
    parser.add_argument("--pictures", type=int, default=480, help="pictures per worker and round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    asked = parser.parse_args()
    bodies = photos()
    hear, tell = multiprocessing.Pipe(duplex=False)
    web = multiprocessing.get_context("fork").Process(target=serve, args=(bodies, tell), daemon=True)
    web.start()
    port = hear.recv()
    say(f"{len(bodies)} pictures of {sum(map(len, bodies)) / len(bodies) / 1024:.0f} KiB on average")
    for workers in asked.workers:
        compare(port, asked.pictures, workers, asked.rounds)
    web.terminate()


if __name__ == "__main__":
    main()
