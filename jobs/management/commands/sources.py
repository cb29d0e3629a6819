"""manage.py sources: how the sources are doing, or one of them asked now."""

import json
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from jobs import source_watch
from jobs.management.base import EXIT_ARGUMENTS, EXIT_FAILED, PixCrawlerCommand
from jobs.source_lines import SourceLine, source_lines

_ROW = "{:<14} {:<16} {:>7} {:>8} {:>8}  {}"


class Command(PixCrawlerCommand):
    help = "Lists the sources and how they are doing, or asks one now."
    epilog = """
examples:
  manage.py sources
  manage.py sources --json
  manage.py sources --check openverse

exit status:
  0  done; with --check: the source answered
  1  --check: it did not
  2  wrong arguments
  3  database out of reach
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", metavar="NAME", help="Ask this source now, in this process; one search.")
        parser.add_argument("--json", action="store_true", help="A line of JSON per source.")

    def handle(self, *_args: Any, **options: Any) -> None:
        name = options["check"]
        lines = {line.info.name: line for line in source_lines()}
        if name is not None and (name not in lines or not lines[name].is_remote):
            asked = ", ".join(line.info.name for line in lines.values() if line.is_remote)
            raise CommandError(f"There is no source “{name}” that could be asked. There are: {asked}.",
                               returncode=EXIT_ARGUMENTS)  # fmt: skip
        trouble = source_watch.check(name) if name is not None else ""
        shown = [line for line in source_lines() if name in (None, line.info.name)]
        if options["json"]:
            for line in shown:
                self.stdout.write(json.dumps(line.to_json(), default=lambda moment: moment.isoformat()))
        else:
            self._table(shown)
        if name is not None:
            self.stderr.write(trouble or f"{lines[name].info.title} answered.")
        if trouble:
            sys.exit(EXIT_FAILED)

    def _table(self, lines: list[SourceLine]) -> None:
        self.stdout.write(_ROW.format("source", "state", "answers", "failed", "median", "last failure"))
        for line in lines:
            state = line.state
            failed = "–" if state.error_rate is None else f"{state.error_rate:.0%}"
            median = "–" if state.median_latency_s is None else f"{state.median_latency_s:.2f} s"
            at = f"{state.last_failure_at:%Y-%m-%d %H:%M} UTC: {line.trouble}" if state.last_failure_at else "–"
            self.stdout.write(_ROW.format(line.info.name, line.word, state.answers, failed, median, at))
            for more in (line.obstacle, f"left alone until {state.rests_until:%H:%M:%S} UTC" if state.rests else ""):
                if more:
                    self.stdout.write(f"  {more}")
