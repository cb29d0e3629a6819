"""manage.py benchwidth: how a crawl of 64 hosts stands latency and encryption (docs/performance.md)."""

import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser, call_command

from bench import width
from bench.installation import installed
from bench.meters import machine
from bench.photo_server import folder_of_environment
from bench.runs import Run, RunFailed
from bench.settings import DATA_FOLDER, VALKEY_SOCKET
from bench.valkey import running_valkey
from jobs import wiring

#: Pictures with numbers of their own for each run: nobody finds anything done.
_APART = 1_000_000


class Command(BaseCommand):
    help = "Fetches and crawls from 64 loopback hosts, plain and encrypted, at several latencies."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--short", action="store_true", help="Fewer pictures and rounds, within five minutes.")
        parser.add_argument("--images", type=int, help="Pictures of each run (2,000).")
        parser.add_argument("--rounds", type=int, help="Rounds (5).")
        parser.add_argument("--latencies", type=int, nargs="+", default=[0, 50], help="Of an answer, in ms (0 50).")
        parser.add_argument("--no-crawls", action="store_true", help="Without whole crawls.")
        parser.add_argument("--photos", type=Path, default=folder_of_environment(), help="A folder of JPEG files.")
        parser.add_argument("--output", type=Path, default=Path("var/bench/width.json"), help="Where the figures go.")

    def handle(self, *_args: Any, **options: Any) -> None:
        options["images"] = options["images"] or (500 if options["short"] else 2_000)
        options["rounds"] = options["rounds"] or (2 if options["short"] else 5)
        # SIGTERM passes through `finally` like any other end.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        self.stdout.write(f"{options['images']:,} pictures of {width.HOSTS} hosts in each run; {machine()}")
        try:
            with ExitStack() as stack:
                stack.enter_context(running_valkey(VALKEY_SOCKET))
                call_command("migrate", verbosity=0)
                webs = width.webs(options["photos"], sorted(options["latencies"]), DATA_FOLDER, stack)
                rows = width.rows_of_fetching(self._fetched(webs, options))
                if not options["no_crawls"]:
                    rows += width.rows_of_crawls(self._crawled(webs, stack, options))
        except (RunFailed, FileNotFoundError, TimeoutError, ValueError) as error:
            raise CommandError(str(error)) from error
        finally:
            shutil.rmtree(DATA_FOLDER, ignore_errors=True)
        for line in ("", *width.table(rows), ""):
            self.stdout.write(line)
        width.written(rows, options["output"])
        self.stdout.write(f"All figures: {options['output']}")

    def _fetched(self, webs: Sequence[width.Web], options: dict[str, Any]) -> list[width.Fetching]:
        """Every way of fetching from every web, interleaved, in each round."""
        numbers, measured = range(options["images"]), []
        # The decoder starts with the first picture: that is no part of any figure.
        width.fetched(webs[0], range(64), round=0, decoded=True, held_back=False)
        for round in range(1, options["rounds"] + 1):
            for decoded, held_back, web in product((False, True), (False, True), webs):
                measured.append(width.fetched(web, numbers, round=round, decoded=decoded, held_back=held_back))
            self.stdout.write(f"  round {round} of fetching is done")
        wiring.decoder().close()
        return measured

    def _crawled(self, webs: Sequence[width.Web], stack: ExitStack, options: dict[str, Any]) -> list[tuple[str, Run]]:
        """A whole crawl of every web, on SQLite, interleaved, in each round."""
        hosts = ",".join(host for web in webs for host in web.hosts)
        folder = DATA_FOLDER / "crawls"
        installation = stack.enter_context(
            installed("PixCrawler", folder, database_url="", allow_hosts=hosts, labels=1)
        )
        measured: list[tuple[str, Run]] = []
        for round, web in product(range(1, options["rounds"] + 1), webs):
            first = _APART + len(measured) * options["images"]
            numbers = range(first, first + options["images"])
            run = width.crawled(installation, web, numbers, folder, round=round)
            self.stdout.write(f"  round {round}, {web.scheme:5} {web.latency_ms:3} ms: {run.loop_per_s:6.1f}/s")
            measured.append((web.scheme, run))
        return measured
