"""The bytes of the pictures of an export, checked on their way."""

import hashlib

from datasets.exports.types import Export, ExportError, ExportImage, ExportStopped


def read_picture(export: Export, image: ExportImage) -> bytes:
    """The picture's bytes, a whole file: none is larger than a crawl lets in. Raises ExportError, ExportStopped.

    A file that is missing or changed ends the export: a version exports what it lists, or nothing.
    """
    if export.is_stopped():
        raise ExportStopped("The export was stopped. Start it again to go on.")
    try:
        with export.open_picture(image) as file:
            body = file.read()
    except FileNotFoundError:
        raise ExportError(
            f"The file of image {image.id} is missing. Restore it from a backup and run the export again, or validate "
            "the dataset and make a new version without it."
        ) from None
    if hashlib.sha256(body).hexdigest() != image.sha256:
        raise ExportError(
            f"The file of image {image.id} does not hold the bytes that were kept. Restore it from a backup and run "
            "the export again, or validate the dataset and make a new version without it."
        )
    return body
