"""manage.py benchpages: what every page, part and unchanged poll costs beside 100,000 images (docs/performance.md)."""

import gc
import gzip
import html
import json
import os
import re
import shutil
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import BaseCommand, CommandParser, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bench.addresses import ADDRESSES, API_LISTS, POLLS, UNCHANGED, Budget, names_of
from bench.seed import Seeded, Size, seed
from bench.settings import DATA_FOLDER, VALKEY_SOCKET
from bench.valkey import running_valkey
from jobs.health import note_worker_alive

#: CSS, scripts and font of a first visit, compressed.
COLD_LOAD_KB = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an address costs, of `rounds` answers: milliseconds, queries, kilobytes of compressed HTML."""

    address: str
    kind: str
    p50_ms: float
    p95_ms: float
    queries: int
    kb: float
    over: str


class Command(BaseCommand):
    help = "Seeds a large dataset and measures every page; fails where a budget of queries or of the first load breaks."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--short", action="store_true", help="20,000 images and 10 rounds, within five minutes.")
        parser.add_argument("--images", type=int, help="Images of the dataset (100,000).")
        parser.add_argument("--rounds", type=int, help="Answers of each address (30).")
        parser.add_argument("--output", type=Path, default=Path("var/bench/pages.json"), help="Where the figures go.")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            with running_valkey(VALKEY_SOCKET):
                call_command("migrate", verbosity=0)
                call_command("collectstatic", verbosity=0, interactive=False)
                is_good = self._measure(options)
        finally:
            shutil.rmtree(DATA_FOLDER, ignore_errors=True)
        sys.exit(0 if is_good else 1)

    def _measure(self, options: dict[str, Any]) -> bool:
        settings.ALLOWED_HOSTS = ["testserver"]
        started = time.perf_counter()
        images = options["images"] or (20_000 if options["short"] else 100_000)
        rounds = options["rounds"] or (10 if options["short"] else 30)
        rows = seed(Size.of(images))
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                # As autovacuum leaves it after a while.
                cursor.execute("VACUUM ANALYZE")
        self.stdout.write(f"{images:,} images seeded in {time.perf_counter() - started:.0f} s, "
                          f"{connection.vendor}, {os.cpu_count()} cores")  # fmt: skip
        # What seeding left behind is no part of a web process: its collector would stop to look at it.
        gc.collect()
        gc.freeze()
        client = Client()
        client.force_login(rows.user)
        costs = [*self._addresses(client, rows, rounds), *self._polls(client, rows, rounds)]
        cold_kb = cold_load_kb(client)
        self._tell(costs, cold_kb)
        options["output"].parent.mkdir(parents=True, exist_ok=True)
        figures = {"images": images, "database": connection.vendor, "cores": os.cpu_count(),
                   "cold_load_kb": cold_kb, "costs": [asdict(cost) for cost in costs]}  # fmt: skip
        options["output"].write_text(json.dumps(figures, indent=1))
        return cold_kb <= COLD_LOAD_KB and not any("queries" in cost.over for cost in costs)

    def _addresses(self, client: Client, rows: Seeded, rounds: int) -> list[Cost]:
        names = names_of(rows)
        asked = {**ADDRESSES, **API_LISTS}
        return [cost_of(client, address.format(**names), budget, rounds) for address, budget in asked.items()]

    def _polls(self, client: Client, rows: Seeded, rounds: int) -> list[Cost]:
        """Polls that find nothing new, by the address that the page itself asks."""
        names, costs = names_of(rows), []
        for page, start in POLLS.items():
            note_worker_alive("worker")
            drawn = client.get(page.format(**names)).content.decode()
            asked = (html.unescape(found) for found in re.findall(r'hx-get="([^"]+)"', drawn))
            address = next(found for found in asked if found.startswith(start.format(**names)))
            costs.append(cost_of(client, address, UNCHANGED, rounds))
        return costs

    def _tell(self, costs: list[Cost], cold_kb: float) -> None:
        self.stdout.write(f"{'address':58} {'kind':5} {'p50':>7} {'p95':>7} {'queries':>8} {'kB':>6}")
        for cost in costs:
            self.stdout.write(
                f"{cost.address:58.58} {cost.kind:5} {cost.p50_ms:6.1f}m {cost.p95_ms:6.1f}m {cost.queries:8} "
                f"{cost.kb:6.1f}  {cost.over}"
            )
        self.stdout.write(f"first load of CSS, scripts and font, compressed: {cold_kb:.0f} kB of {COLD_LOAD_KB}")


def cost_of(client: Client, address: str, budget: Budget, rounds: int) -> Cost:
    """Answers `rounds` times after one to warm up; each as the whole middleware gives it, without the network."""
    note_worker_alive("worker")
    with CaptureQueriesContext(connection) as seen:
        client.get(address)
    # Counted at once: the next request clears the list.
    asked = len(seen)
    times_ms = []
    for _ in range(rounds):
        # A worker that is told to be alive for a minute must not fall silent in the middle.
        note_worker_alive("worker")
        started = time.perf_counter()
        response = client.get(address)
        # Also what streams has to be drawn to its end.
        response.getvalue()
        times_ms.append((time.perf_counter() - started) * 1000)
    p95_ms = statistics.quantiles(times_ms, n=20)[-1]
    over = [f"p95 over {budget.p95_ms:g} ms"] if p95_ms > budget.p95_ms else []
    over += [f"queries over {budget.queries}"] if asked > budget.queries else []
    kind = "204" if response.status_code == 204 else budget.kind
    over += ["no 204"] if budget is UNCHANGED and kind != "204" else []
    return Cost(
        address=address,
        kind=kind,
        p50_ms=round(statistics.median(times_ms), 1),
        p95_ms=round(p95_ms, 1),
        queries=asked,
        kb=round(len(gzip.compress(response.getvalue())) / 1000, 1),
        over=", ".join(over),
    )


def cold_load_kb(client: Client) -> float:
    """Stylesheets, scripts and fonts that the overview links, each compressed where that helps."""
    page = client.get("/").content.decode()
    linked = set(re.findall(r'(?:href|src)="' + settings.STATIC_URL + r'([^"]+\.(?:css|js|woff2))"', page))
    total = 0
    for name in linked:
        found = finders.find(re.sub(r"\.[0-9a-f]{12}(?=\.)", "", name))
        if not isinstance(found, str):
            raise FileNotFoundError(f"{name} is linked and is no static file.")
        body = Path(found).read_bytes()
        total += min(len(body), len(gzip.compress(body)))
    return round(total / 1000, 1)
