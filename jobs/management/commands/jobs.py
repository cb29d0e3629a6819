"""manage.py jobs: the jobs there are, or one of them, and what can be done to it."""

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from jobs import progress, services
from jobs.management.base import EXIT_ARGUMENTS, EXIT_FAILED, PixCrawlerCommand
from jobs.models import Job
from jobs.reports import job_report, seconds_run
from jobs.spec import InvalidSpec

_SHOWN = 50
_ROW = "{:>6}  {:<10}  {:>9}  {:>9}  {:>10}  {}"


class Command(PixCrawlerCommand):
    help = f"Lists the {_SHOWN} newest jobs, or shows one, or retries, tops up, cancels, pauses or resumes it."
    epilog = """
examples:
  manage.py jobs
  manage.py jobs 17
  manage.py jobs 17 --json
  manage.py jobs 17 --retry
  manage.py jobs 17 --retry --reason timeout --reason http_5xx
  manage.py jobs 17 --top-up 50
  manage.py jobs 17 --cancel

--json writes a line per job: job, kind, dataset, status, run, found, kept, duplicate, rejected, failed, skipped,
reasons and seconds.
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=int, nargs="?", metavar="JOB", help="The number of one job.")
        parser.add_argument("--json", action="store_true", help="A line of JSON per job.")
        parser.add_argument(
            "--reason", action="append", default=[], metavar="REASON", help="With --retry: only what failed for it."
        )
        verbs = parser.add_mutually_exclusive_group()
        verbs.add_argument("--retry", action="store_true", help="Run again what failed or was not done.")
        verbs.add_argument("--top-up", type=int, metavar="N", help="Look for N more images per label.")
        verbs.add_argument("--cancel", action="store_true", help="Stop it; what was kept stays.")
        verbs.add_argument("--pause", action="store_true", help="Let it wait.")
        verbs.add_argument("--resume", action="store_true", help="Let it go on.")

    def handle(self, *_args: Any, **options: Any) -> None:
        jobs = Job.objects.select_related("dataset").order_by("-pk")
        if options["job"] is None:
            if any(options[verb] for verb in ("retry", "reason", "top_up", "cancel", "pause", "resume")):
                raise CommandError("Say which job, such as: manage.py jobs 17 --retry", returncode=EXIT_ARGUMENTS)
            self._list(list(jobs[:_SHOWN]), as_json=options["json"])
            return
        job = jobs.filter(pk=options["job"]).first()
        if job is None:
            raise CommandError(
                f"There is no job {options['job']}. “manage.py jobs” lists them.", returncode=EXIT_ARGUMENTS
            )
        self._do(job, options)
        job.refresh_from_db()
        self._show(job, as_json=options["json"])

    def _do(self, job: Job, options: dict[str, Any]) -> None:
        """The verb that is asked for, if any."""
        try:
            if options["retry"]:
                services.retry_job(job_id=job.pk, by=None, reasons=options["reason"])
            elif options["reason"]:
                raise CommandError("--reason belongs to --retry.", returncode=EXIT_ARGUMENTS)
            elif options["top_up"] is not None:
                services.top_up(job_id=job.pk, by=None, images=options["top_up"])
            elif options["cancel"]:
                services.cancel_job(job_id=job.pk, by=None)
            elif options["pause"]:
                services.pause_job(job_id=job.pk, by=None)
            elif options["resume"]:
                services.resume_job(job_id=job.pk, by=None)
        except InvalidSpec as refusal:
            raise CommandError(refusal.message, returncode=EXIT_ARGUMENTS) from None
        except services.Refused as refusal:
            raise CommandError(refusal.message, returncode=EXIT_FAILED) from None

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
