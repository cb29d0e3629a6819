"""manage.py doctor: what is wrong, why, and how to mend it."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from pixcrawler.doctor import Level, examine

_MARKS = {Level.OK: "OK     ", Level.WARNING: "WARNING", Level.PROBLEM: "PROBLEM"}


class Command(BaseCommand):
    help = (
        "Checks database, Redis, workers, queue, scheduler, storage, clocks and settings. Exit 1: a problem was found."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="One line of JSON, for monitoring.")

    def handle(self, *_args: Any, **options: Any) -> None:
        found = list(examine())
        if options["json"]:
            self.stdout.write(json.dumps([asdict(diagnosis) for diagnosis in found]))
        else:
            for diagnosis in found:
                self.stdout.write(f"{_MARKS[diagnosis.level]}  {diagnosis.check}: {diagnosis.finding}")
                if diagnosis.mend:
                    self.stdout.write(f"         → {diagnosis.mend}")
        if any(diagnosis.level is Level.PROBLEM for diagnosis in found):
            sys.exit(1)
