"""Pages of datasets and their images."""

from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET

from datasets import blobs, queries
from datasets.imaging import hashing
from datasets.models import Dataset, Image
from datasets.queries import FACETS, Filters

_CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif",
                  "BMP": "image/bmp", "TIFF": "image/tiff", "AVIF": "image/avif"}  # fmt: skip


#: What a browser may do with a stranger's bytes: nothing. django-csp leaves a policy alone that is there already.
_SANDBOX = "default-src 'none'; sandbox"


@require_GET
def dataset_list(request: HttpRequest) -> HttpResponse:
    datasets, next_after = queries.page_of_datasets(_after(request))
    return render(request, "datasets/list.html", {"datasets": datasets, "next_after": next_after})


@require_GET
def gallery(request: HttpRequest, slug: str) -> HttpResponse:
    dataset = get_object_or_404(Dataset, slug=slug)
    filters = _filters(request.GET)
    images = queries.matching(dataset, filters)
    shown, next_after = queries.gallery_page(images, _after(request))
    context = {
        "dataset": dataset,
        "filters": filters,
        "facets": queries.facets(dataset, filters),
        "chips": _chips(request.GET, filters),
        "images": shown,
        "total": images.count() if filters.count else dataset.image_count,
        "older": _with(request.GET, after=str(next_after)) if next_after else "",
    }
    return render(request, "datasets/gallery.html", context)


@require_GET
def image_page(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    image = _image(slug, pk)
    newer, older = queries.neighbours(image)
    context = {
        "image": image,
        "dataset": image.dataset,
        "newer": newer,
        "older": older,
        "phash": hashing.to_hex(image.phash),
        "is_missing": not blobs.exists(image.blob_name),
        "web_url": image.url if image.url.startswith(("http://", "https://")) else "",
    }
    return render(request, "datasets/image.html", context)


@require_GET
@cache_control(private=True, max_age=31_536_000, immutable=True)
def thumbnail(request: HttpRequest, slug: str, pk: int) -> HttpResponseBase:
    """Our own re-encode: the only pictures that pages show."""
    return _file(_image(slug, pk).thumb_name, "image/jpeg")


@require_GET
def original(request: HttpRequest, slug: str, pk: int) -> HttpResponseBase:
    """The bytes as they came, to be saved and never shown: a stranger chose them."""
    image = _image(slug, pk)
    response = _file(image.blob_name, _CONTENT_TYPES[image.format])
    response["Content-Disposition"] = f'attachment; filename="{image.blob_name.rpartition("/")[2]}"'
    response["Content-Security-Policy"] = _SANDBOX
    return response


def _image(slug: str, pk: int) -> Image:
    images = Image.objects.select_related("dataset", "near_duplicate_of")
    return get_object_or_404(images, pk=pk, dataset__slug=slug)


def _file(name: str, content_type: str) -> FileResponse:
    try:
        return FileResponse(blobs.open(name), content_type=content_type)
    except FileNotFoundError:
        raise Http404("The file of this image is missing from the media folder.") from None


def _after(request: HttpRequest) -> int | None:
    after = request.GET.get("after", "")
    return int(after) if after.isdecimal() and len(after) < 19 else None


def _filters(given: QueryDict) -> Filters:
    return Filters(
        chosen={key: values for key in FACETS if (values := [v for v in given.getlist(key) if "\x00" not in v])},
        search=given.get("q", "").replace("\x00", "").strip()[:100],
        only_alike="alike" in given,
    )


def _chips(given: QueryDict, filters: Filters) -> list[tuple[str, str]]:
    """(words, address without it) of each filter that is on."""
    chips = [(value, _without(given, key, value)) for key, values in filters.chosen.items() for value in values]
    if filters.search:
        chips.append((f"“{filters.search}”", _without(given, "q", str(given["q"]))))
    if filters.only_alike:
        chips.append(("Look-alikes", _without(given, "alike", str(given["alike"]))))
    return chips


def _with(given: QueryDict, **changes: str) -> str:
    address = given.copy()
    for key, value in changes.items():
        address[key] = value
    return "?" + address.urlencode()


def _without(given: QueryDict, key: str, value: str) -> str:
    address = given.copy()
    address.pop("after", None)
    address.setlist(key, [other for other in address.getlist(key) if other != value])
    return "?" + address.urlencode()
