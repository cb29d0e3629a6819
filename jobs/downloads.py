"""How pages and the API hand out a file of an export."""

from django.http import FileResponse, Http404, HttpResponseBase

from datasets.attachments import redirect_to
from jobs import exports
from jobs.export_models import Export


def download(export: Export, name: str) -> HttpResponseBase:
    """The file as an attachment, or a redirect to where it lies.

    Raises Http404 where none of that name is offered, and BlobError.
    """
    found = exports.offered(export, name)
    if found is None:
        raise Http404
    if found.path is not None:
        response: HttpResponseBase = FileResponse(found.path.open("rb"), as_attachment=True, filename=name)
        response["X-Content-Type-Options"] = "nosniff"
        return response
    return redirect_to(found.link)
