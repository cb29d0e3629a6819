"""manage.py crawl: submits a crawl, and waits for it when asked to."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from jobs import progress
from jobs.crawl.url_list import lines_of
from jobs.health import system_health
from jobs.management.base import (
    EXIT_ARGUMENTS,
    EXIT_DATABASE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    DatabaseTrouble,
    PixCrawlerCommand,
    first_line,
)
from jobs.models import Job, Status
from jobs.reports import job_report
from jobs.services import CrawlRequest, submit_crawl
from jobs.spec import InvalidSpec, parse_min_size

_POLL_S = 0.5


def _text(value: str) -> str:
    """An argument that can be stored: a shell may pass bytes that are no text."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("this is not text in UTF-8") from None
    return value


class Command(PixCrawlerCommand):
    help = "Starts a crawl into the dataset NAME, which is made if there is none."
    epilog = """
examples:
  manage.py crawl fish --keyword "tiger shark" --source openverse --per-label 100 --wait
  manage.py crawl birds --keyword "bird: robin, European robin" --source openverse --per-label 200
  manage.py crawl mine --source urls --urls-file list.csv --per-label 1000 --wait --json

--json writes one line on standard output; everything else goes to standard error.

exit status:
  0  completed (without --wait: submitted)
  1  failed or cancelled
  2  wrong arguments
  3  database out of reach
130  interrupted while waiting (the job goes on)
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", type=_text, help="The dataset's name.")
        parser.add_argument(
            "--keyword",
            action="append",
            default=[],
            type=_text,
            metavar="LINE",
            help="A keyword, or “label: keyword, keyword” to keep several under one label. May be repeated.",
        )
        parser.add_argument(
            "--keywords-file", type=Path, metavar="F", help="A file with such a line per line; # starts a comment."
        )
        parser.add_argument(
            "--source",
            action="append",
            required=True,
            type=_text,
            metavar="S",
            help="Where to search: openverse, urls, sample; several with commas.",
        )
        parser.add_argument(
            "--urls-file",
            type=Path,
            metavar="F",
            help="Image addresses for the source urls: one a line, CSV with a header, or JSONL "
            "(columns url, label, title, licence, page_url).",
        )
        parser.add_argument(
            "--per-label",
            type=int,
            required=True,
            metavar="N",
            help="Images to keep per label, over all its keywords and sources.",
        )
        parser.add_argument(
            "--min-size", default="64x64", type=_text, metavar="WxH", help="Least width and height in pixels (64x64)."
        )
        parser.add_argument("--dry-run", action="store_true", help="Look what there is; download nothing.")
        parser.add_argument("--wait", action="store_true", help="Wait until the job has ended.")
        parser.add_argument("--json", action="store_true", help="One line of JSON on standard output.")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            job = submit_crawl(_request(options), by=None)
        except InvalidSpec as error:
            raise CommandError(f"{error.field}: {error.message}", returncode=EXIT_ARGUMENTS) from None
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
        self.stdout.write("  " + ", ".join(f"{report[name]:,} {name}" for name in progress.OUTCOME_COUNTERS))
        for reason, number in report["reasons"].items():
            self.stdout.write(f"  {number:>7,}  {reason}")


def _request(options: dict[str, Any]) -> CrawlRequest:
    """What the arguments ask for. Raises InvalidSpec."""
    keywords = list(options["keyword"])
    if options["keywords_file"]:
        keywords += _lines(options["keywords_file"], "keywords")
    return CrawlRequest(
        dataset=options["name"],
        keywords=tuple(keywords),
        sources=tuple(name.strip() for given in options["source"] for name in given.split(",") if name.strip()),
        per_label=options["per_label"],
        min_size=parse_min_size(options["min_size"]),
        url_list=_lines(options["urls_file"], "urls") if options["urls_file"] else None,
        dry_run=options["dry_run"],
    )


def _lines(file: Path, field: str) -> Iterator[str]:
    """The file's lines, one at a time: a list of addresses may be huge. Raises InvalidSpec."""
    try:
        with file.open(encoding="utf-8-sig") as handle:
            yield from lines_of(handle)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSpec(field, f"{file} cannot be read ({error}). It has to be a text file in UTF-8.") from None


def _watch(job: Job) -> None:
    console = Console(stderr=True)
    wanted = None if job.dry_run else sum(job.targets.values_list("wanted", flat=True))
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[numbers]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"Job {job.pk}", total=wanted, numbers="")
        while True:
            job.refresh_from_db()
            now = progress.read(job)
            numbers = f"{now.found:,} found" if wanted is None else f"{now.kept:,} of {wanted:,} kept"
            bar.update(task, completed=now.kept, description=f"Job {job.pk} {now.status}", numbers=numbers)
            if job.is_terminal:
                return
            time.sleep(_POLL_S)
