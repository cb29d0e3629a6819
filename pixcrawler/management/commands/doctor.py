"""manage.py doctor: what is wrong, why, and how to mend it."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from jobs.diagnoses import Diagnosis, Level
from pixcrawler.doctor import examine

_MARKS = {Level.OK: "OK     ", Level.WARNING: "WARNING", Level.PROBLEM: "PROBLEM"}
_INDENT = " " * 9


class Command(BaseCommand):
    help = (
        "Checks database, Redis, workers, queue, scheduler, storage, clocks and settings. Exit status: 0 all is well "
        "or there are warnings alone, 1 a problem was found (with --fail-level warning also for a warning)."
    )
    # What the checks would stop at is what the doctor is asked about.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="One line of JSON, for monitoring.")
        parser.add_argument(
            "--fail-level",
            choices=[Level.WARNING.value, Level.PROBLEM.value],
            default=Level.PROBLEM.value,
            help="What ends with exit status 1 (default: problem).",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        found = []
        for diagnosis in examine():
            found.append(diagnosis)
            if not options["json"]:
                self._tell(diagnosis)
        if options["json"]:
            self.stdout.write(json.dumps([asdict(diagnosis) for diagnosis in found]))
        failing = {Level.PROBLEM, Level(options["fail_level"])}
        if any(diagnosis.level in failing for diagnosis in found):
            sys.exit(1)

    def _tell(self, diagnosis: Diagnosis) -> None:
        self.stdout.write(f"{_MARKS[diagnosis.level]}  {diagnosis.check}: {diagnosis.finding}")
        if diagnosis.meaning:
            self.stdout.write(f"{_INDENT}{diagnosis.meaning}")
        if diagnosis.mend:
            self.stdout.write(f"{_INDENT}→ {diagnosis.mend}")
