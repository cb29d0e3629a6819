"""What people may do to exports: the same verbs for pages, commands and the API. jobs.services has the others."""

from django.contrib.auth.models import User
from django.db import transaction

from datasets import audit, versions
from datasets.access import Right, require
from datasets.audit_models import Verb
from datasets.blobs import BlobError
from datasets.models import Dataset
from datasets.version_models import DatasetVersion
from jobs import activity, exports
from jobs.export_models import Export
from jobs.models import Job
from jobs.plans import export as plan
from jobs.services import Refused, submit_once
from jobs.spec import ExportSpec, InvalidSpec, check_export


def submit_export(
    *, dataset: Dataset, spec: ExportSpec, by: User | None, submit_key: str = "", submit_digest: str = ""
) -> Job:
    """Stores an export and asks the workers to begin; the same `submit_key` gives the same job.

    With a `submit_digest` of what is asked for, the same key for something else is refused.

    Raises InvalidSpec, NotAllowed, and Refused where nothing would go in.
    """
    require(by, Right.START, dataset)
    check_export(spec)
    version = _version(dataset, spec.version)
    image_count = version.image_count if version else _image_count(dataset, spec)

    def create(key: str | None) -> Job:
        job = plan.create(dataset, spec, version=version, image_count=image_count, by=by, submit_key=key)
        for sentence in _taken_on(spec, by) if version is None else ():
            activity.log(job.pk, sentence)
        return job

    return submit_once(submit_key, create, by, submit_digest=submit_digest)


def remove_export(*, job_id: int, by: User | None) -> None:
    """Takes the files of an export away; the version stays, and gives the same bytes again.

    Raises Refused, NotAllowed.
    """
    with transaction.atomic():
        export = Export.objects.select_related("job__dataset").select_for_update(of=("self",)).get(pk=job_id)
        require(by, Right.STEER, export.job.dataset)
        if not export.job.is_terminal:
            raise Refused(f"Job {job_id} is still writing. Cancel it first.")
        if export.removed_at is not None:
            raise Refused("Its files are gone already.")
        activity.log(job_id, f"The files were removed by {by or 'the command line'}.")
        audit.record(by, Verb.DELETED, "Removed an export's files", dataset=export.job.dataset, job_id=job_id)
    try:
        exports.remove_files(export)
    except BlobError as error:
        raise Refused(f"They are offered no more, but are still there. {error} They are tried again daily.") from error


def _version(dataset: Dataset, number: int | None) -> DatasetVersion | None:
    if number is None:
        return None
    version = dataset.versions.filter(number=number).first()
    if version is None:
        raise InvalidSpec("version", f"Dataset “{dataset.name}” has no version {number}. Leave it out for a new one.")
    return version


def _image_count(dataset: Dataset, spec: ExportSpec) -> int:
    seen = versions.count(dataset, spec.policy)
    if not seen.image_count:
        reasons = " ".join(f"{number:,}: {sentence}" for sentence, number in seen.left_out)
        raise Refused(f"No image is left to export. {reasons or 'The dataset is empty: crawl something into it.'}")
    return seen.image_count


def _taken_on(spec: ExportSpec, by: User | None) -> list[str]:
    """What somebody answers for who lets such pictures in."""
    who = by or "the command line"
    said = []
    if spec.policy.allow_unknown_licence:
        said.append(f"Pictures of unknown licence were allowed by {who}.")
    if spec.policy.allow_ml_restricted and spec.policy.ml_training:
        said.append(f"Pictures whose machine use is restricted were allowed by {who}.")
    return said
