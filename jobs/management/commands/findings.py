"""manage.py findings: what became of every candidate of a job."""

import os
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from jobs.management.base import EXIT_ARGUMENTS, PixCrawlerCommand
from jobs.models import Job
from jobs.reports import write_findings


class Command(PixCrawlerCommand):
    help = "Writes one row per candidate of a job to standard output."
    epilog = """
examples:
  manage.py findings 17 > findings.jsonl
  manage.py findings 17 --format csv > findings.csv

In CSV a cell that a spreadsheet would run as a formula begins with an apostrophe.
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=int, metavar="JOB", help="The job's number; “manage.py jobs” lists them.")
        parser.add_argument("--format", choices=("jsonl", "csv"), default="jsonl", help="Default: jsonl.")

    def handle(self, *_args: Any, **options: Any) -> None:
        job = Job.objects.filter(pk=options["job"]).first()
        if job is None:
            raise CommandError(
                f"There is no job {options['job']}. “manage.py jobs” lists them.", returncode=EXIT_ARGUMENTS
            )
        try:
            write_findings(job, self.stdout, format=options["format"])
            self.stdout.flush()
        except BrokenPipeError:
            # The reader has seen enough (`| head`); what Python still holds back for it goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
