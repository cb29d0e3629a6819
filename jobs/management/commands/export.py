"""manage.py export: writes a dataset as files that other programs load, and waits for it when asked to."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from datasets.blobs import BlobError
from datasets.exports.policy import Policy
from datasets.exports.writer import FORMATS
from jobs import exports
from jobs.export_models import Export
from jobs.export_services import submit_export
from jobs.management.base import EXIT_ARGUMENTS, EXIT_FAILED, dataset_named
from jobs.management.submitting import EXIT_STATUS, SubmittingCommand
from jobs.services import Refused
from jobs.spec import ExportSpec, InvalidSpec


class Command(SubmittingCommand):
    help = "Writes the dataset NAME as files: a version is frozen, written, and read back before it is offered."
    epilog = f"""
examples:
  manage.py export birds --format imagefolder --output birds-export
  manage.py export birds --format webdataset --commercial-use --changes --wait
  manage.py export birds --format parquet --allow-unknown-licence --export-version 3 --output .

formats: {", ".join(FORMATS)}. docs/exports.md has how each is loaded.

Without --allow-… pictures of unknown licence stay out, and those whose machine use is restricted; the job says how
many of each.
--output waits, and copies the files into that folder.
{EXIT_STATUS}"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="The dataset's name.")
        parser.add_argument("--format", required=True, metavar="F", help=f"One of {', '.join(FORMATS)}.")
        parser.add_argument("--output", type=Path, metavar="PATH", help="A folder to copy the files into.")
        parser.add_argument("--export-version", type=int, metavar="N", help="Of this version, instead of a new one.")
        parser.add_argument(
            "--shares", default="80,10,10", metavar="T,V,T", help="Percent of train, validation and test (80,10,10)."
        )
        parser.add_argument("--seed", type=int, default=0, metavar="N", help="Shuffles which group goes where (0).")
        parser.add_argument("--commercial-use", action="store_true", help="The pictures are for commerce.")
        parser.add_argument("--changes", action="store_true", help="Changed copies are passed on.")
        parser.add_argument("--no-training", action="store_true", help="No model is trained on them.")
        parser.add_argument("--allow-unknown-licence", action="store_true", help="Take pictures of unknown licence in.")
        parser.add_argument("--allow-ml-restricted", action="store_true", help="Take restricted pictures in.")
        self.add_following_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        dataset = dataset_named(options["name"])
        output: Path | None = options["output"]
        if output is not None and output.exists() and not output.is_dir():
            raise CommandError(f"{output} is a file. Name a folder.", returncode=EXIT_ARGUMENTS)
        try:
            job = submit_export(dataset=dataset, spec=_spec(options), by=None)
        except (InvalidSpec, Refused) as refusal:
            raise CommandError(refusal.message, returncode=EXIT_ARGUMENTS) from None
        self.follow(job, {**options, "wait": options["wait"] or output is not None})
        if output is not None:
            self._copy(Export.objects.get(job=job), output)

    def _copy(self, export: Export, output: Path) -> None:
        try:
            exports.copy_to(export, output)
        except (OSError, BlobError) as error:
            raise CommandError(
                f"The export is there, but could not be copied ({error}). Job {export.job_id}'s page offers its files.",
                returncode=EXIT_FAILED,
            ) from error
        self.stderr.write(f"{output.resolve()} holds {len(export.files) + 1} files now.")


def _spec(options: dict[str, Any]) -> ExportSpec:
    """What the options ask for. Raises InvalidSpec."""
    try:
        train, validation, test = (float(share) / 100 for share in options["shares"].split(","))
    except ValueError:
        raise InvalidSpec("shares", "Shares are three numbers with commas, such as 80,10,10.") from None
    policy = Policy(
        commercial_use=options["commercial_use"],
        changes=options["changes"],
        ml_training=not options["no_training"],
        allow_unknown_licence=options["allow_unknown_licence"],
        allow_ml_restricted=options["allow_ml_restricted"],
    )
    return ExportSpec(
        format=options["format"],
        policy=policy,
        seed=options["seed"],
        shares=(train, validation, test),
        version=options["export_version"],
    )
