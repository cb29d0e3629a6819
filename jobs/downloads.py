"""How pages and the API hand out a file of an export."""

from http import HTTPStatus

from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase

from datasets.attachments import redirect_to
from datasets.blobs import BlobError
from jobs import exports
from jobs.export_models import Export


def download(export: Export, name: str) -> HttpResponseBase:
    """The file as an attachment, or a redirect to where it lies. Raises Http404 where none of that name is offered."""
    try:
        found = exports.offered(export, name)
    except BlobError as error:
        return HttpResponse(str(error), status=HTTPStatus.SERVICE_UNAVAILABLE, content_type="text/plain; charset=utf-8")
    if found is None:
        raise Http404
    if found.path is not None:
        response: HttpResponseBase = FileResponse(found.path.open("rb"), as_attachment=True, filename=name)
        response["X-Content-Type-Options"] = "nosniff"
        return response
    return redirect_to(found.link)
