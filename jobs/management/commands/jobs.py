"""manage.py jobs: the jobs there are, or one of them."""

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from jobs import progress
from jobs.management.base import EXIT_ARGUMENTS, PixCrawlerCommand
from jobs.models import Job
from jobs.reports import job_report, seconds_run

_SHOWN = 50
_ROW = "{:>6}  {:<10}  {:>9}  {:>9}  {:>10}  {}"


class Command(PixCrawlerCommand):
    help = f"Lists the {_SHOWN} newest jobs, or shows one."
    epilog = """
examples:
  manage.py jobs
  manage.py jobs 17
  manage.py jobs 17 --json

--json writes a line per job: job, dataset, status, found, kept, duplicate, rejected, failed, skipped,
reasons and seconds.
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=int, nargs="?", metavar="JOB", help="The number of one job.")
        parser.add_argument("--json", action="store_true", help="A line of JSON per job.")

    def handle(self, *_args: Any, **options: Any) -> None:
        jobs = Job.objects.select_related("dataset").order_by("-pk")
        if options["job"] is None:
            self._list(list(jobs[:_SHOWN]), as_json=options["json"])
            return
        job = jobs.filter(pk=options["job"]).first()
        if job is None:
            raise CommandError(
                f"There is no job {options['job']}. “manage.py jobs” lists them.", returncode=EXIT_ARGUMENTS
            )
        self._show(job, as_json=options["json"])

    def _list(self, jobs: list[Job], *, as_json: bool) -> None:
        if as_json:
            for job in jobs:
                self.stdout.write(json.dumps(job_report(job)))
            return
        if not jobs:
            self.stdout.write("There are no jobs yet. “manage.py crawl --help” shows how to start one.")
            return
        self.stdout.write(_ROW.format("job", "status", "kept", "found", "seconds", "dataset"))
        for job in jobs:
            now = progress.read(job)
            self.stdout.write(
                _ROW.format(
                    job.pk, now.status, f"{now.kept:,}", f"{now.found:,}", f"{seconds_run(job):,.1f}", job.dataset.name
                )
            )

    def _show(self, job: Job, *, as_json: bool) -> None:
        report = job_report(job)
        if as_json:
            self.stdout.write(json.dumps(report))
            return
        self.stdout.write(
            f"Job {job.pk} in dataset {job.dataset.name}: {report['status']}, {report['seconds']:,.1f} s."
        )
        if job.summary:
            self.stdout.write(job.summary)
        self.stdout.write("  " + ", ".join(f"{report[name]:,} {name}" for name in progress.OUTCOME_COUNTERS))
        for reason, number in report["reasons"].items():
            self.stdout.write(f"  {number:>7,}  {reason}")
