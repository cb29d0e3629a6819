"""What commands share that submit a job, and wait for it when asked to."""

import json
import sys
import time
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from datasets.counting import bytes_in_words
from jobs import progress, queries
from jobs.health import system_health
from jobs.look_models import Look
from jobs.management.base import (
    EXIT_DATABASE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    DatabaseTrouble,
    PixCrawlerCommand,
    first_line,
)
from jobs.models import Job, Status
from jobs.outlook import Outlook
from jobs.reports import job_report
from jobs.words import KIND_WORDS

_POLL_S = 0.5
#: Lanes of a dry run that are told of, a line each.
_SHOWN_LOOKS = 40

#: The end of such a command's help.
EXIT_STATUS = """
--json writes one line on standard output; everything else goes to standard error.

exit status:
  0  completed (without --wait: submitted)
  1  failed or cancelled
  2  wrong arguments
  3  database out of reach
130  interrupted while waiting (the job goes on)
"""


class SubmittingCommand(PixCrawlerCommand):
    """Tells of the job that a command submitted, at once or when it has ended."""

    def add_following_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--wait", action="store_true", help="Wait until the job has ended.")
        parser.add_argument("--json", action="store_true", help="One line of JSON on standard output.")

    def follow(self, job: Job, options: dict[str, Any]) -> None:
        """Waits if asked to, tells what the job came to, and exits with 1 where it did not complete."""
        self._warn_where_nothing_runs(job)
        if options["wait"]:
            self._wait(job)
        else:
            job.refresh_from_db()
        self._tell(job, as_json=options["json"], waited=options["wait"])
        if options["wait"] and job.status != Status.COMPLETED:
            sys.exit(EXIT_FAILED)

    def _warn_where_nothing_runs(self, job: Job) -> None:
        health = system_health()
        if not health.redis:
            self.stderr.write(
                f"Warning: the queue (Redis) does not answer. Job {job.pk} is stored, and begins by itself when "
                "Redis is back and “manage.py runscheduler” runs."
            )
        elif health.workers == 0:
            self.stderr.write(
                f"Warning: no worker is running. Job {job.pk} is stored, and begins when one does: "
                "“manage.py runworker”."
            )

    def _wait(self, job: Job) -> None:
        """Returns when the job has ended, with its row read again; on a terminal a bar shows what is kept."""
        look = f"“manage.py jobs {job.pk}” shows it"
        try:
            _watch(job)
        except KeyboardInterrupt:
            raise CommandError(
                f"Stopped waiting; job {job.pk} goes on. {look}, and its page in the browser cancels it.",
                returncode=EXIT_INTERRUPTED,
            ) from None
        except DatabaseTrouble as error:
            raise CommandError(
                f"The database went out of reach while waiting ({first_line(error)}). Job {job.pk} is stored and "
                f"goes on when the database is back; {look} then.",
                returncode=EXIT_DATABASE,
            ) from error
        except Job.DoesNotExist:
            raise CommandError(f"Job {job.pk} was deleted while it ran.", returncode=EXIT_FAILED) from None

    def _tell(self, job: Job, *, as_json: bool, waited: bool) -> None:
        report = job_report(job)
        if as_json:
            self.stdout.write(json.dumps(report))
            return
        if not waited:
            self.stdout.write(f"Job {job.pk} is submitted. “manage.py jobs {job.pk}” shows how it goes.")
            return
        self.stdout.write(f"Job {job.pk} {job.status} after {report['seconds']:.1f} s. {job.summary}")
        if job.dry_run:
            self._tell_looks(job)
            return
        self.stdout.write("  " + ", ".join(f"{report[name]:,} {name}" for name in progress.OUTCOME_COUNTERS))
        for reason, number in report["reasons"].items():
            self.stdout.write(f"  {number:>7,}  {reason}")

    def _tell_looks(self, job: Job) -> None:
        """What a dry run saw, a line for each keyword × source."""
        looks = Look.objects.filter(chunk__job=job).select_related("chunk").defer("keys").order_by("chunk_id")
        for look in looks[:_SHOWN_LOOKS]:
            more_may_be = "" if look.is_whole or look.total is not None else " or more"
            known = f"{look.results if look.total is None else look.total:,} results{more_may_be}"
            self.stdout.write(
                f"  {look.chunk.title}: {known}, {look.seen:,} read; of these {look.usable:,} would be fetched, "
                f"{look.known:,} are in the dataset, {look.refused_count + look.repeated:,} are left out"
            )
        if (more := looks.count() - _SHOWN_LOOKS) > 0:
            self.stdout.write(f"  … and {more:,} more: the job's page has them all")
        if job.outlook:
            ahead = Outlook.from_json(job.outlook)
            self.stdout.write(
                f"  A crawl: about {ahead.images:,} images, {bytes_in_words(ahead.size_bytes)}, {ahead.duration}."
            )


def _watch(job: Job) -> None:
    console = Console(stderr=True)
    wanted = None if job.dry_run else job.wanted
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[numbers]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"Job {job.pk}", total=wanted, numbers="")
        while True:
            job.refresh_from_db()
            now = progress.read(job)
            done = queries.done(job, now)
            what = KIND_WORDS[job.kind].done
            numbers = f"{now.found:,} found" if wanted is None else f"{done:,} of {wanted:,} {what}"
            bar.update(task, completed=done, description=f"Job {job.pk} {now.status}", numbers=numbers)
            if job.is_terminal:
                return
            time.sleep(_POLL_S)
