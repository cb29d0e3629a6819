"""What our commands have in common: examples in their help, and one answer to a database that is away."""

import logging
from argparse import RawDescriptionHelpFormatter
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from django.db import InterfaceError, OperationalError, ProgrammingError

from datasets.models import Dataset

EXIT_FAILED, EXIT_ARGUMENTS, EXIT_DATABASE, EXIT_INTERRUPTED = 1, 2, 3, 130

#: Datasets that are named where none has the name that was given.
_SHOWN = 5

#: What a database that is away, or has no tables yet, raises.
DatabaseTrouble = (OperationalError, InterfaceError, ProgrammingError)


def first_line(error: Exception) -> str:
    """The gist of an error that may fill a screen."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


class _HelpFormatter(RawDescriptionHelpFormatter, DjangoHelpFormatter):
    """Keeps the lines of the examples; puts our own options before Django's."""


class PixCrawlerCommand(BaseCommand):
    """Ends with exit status 3 and a sentence where the database is out of reach."""

    #: Shown below the options in --help, line by line.
    epilog: ClassVar[str] = ""

    #: Whether it goes on running: then its log tells what became of jobs, which others print as their answer.
    is_service: ClassVar[bool] = False

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, **{"epilog": self.epilog, "formatter_class": _HelpFormatter, **kwargs}
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        if not self.is_service:
            logging.getLogger("jobs.activity").setLevel(logging.WARNING)
        try:
            return super().execute(*args, **options)
        except DatabaseTrouble as error:
            raise CommandError(
                f"The database is out of reach ({first_line(error)}). Check DATABASE_URL, that the database runs, and "
                "that “manage.py migrate” was run; then try again.",
                returncode=EXIT_DATABASE,
            ) from error


def dataset_named(name: str) -> Dataset:
    """The dataset of that name. Raises CommandError."""
    dataset = Dataset.objects.filter(name=name).first()
    if dataset is None:
        there = ", ".join(f"“{one}”" for one in Dataset.objects.order_by("-pk").values_list("name", flat=True)[:_SHOWN])
        known = f"The newest are {there}." if there else "There is none yet: “manage.py crawl” makes one."
        raise CommandError(f"There is no dataset “{name}”. {known}", returncode=EXIT_ARGUMENTS)
    return dataset
