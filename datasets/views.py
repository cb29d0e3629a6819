"""Pages of datasets and their images."""

from http import HTTPStatus
from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from datasets import blobs, cards, checkup, flags, numbers, preferences, queries, review, services
from datasets.access import Right, may_change_rules, require, seen_by, visible_dataset, visible_datasets
from datasets.attachments import redirect_to
from datasets.blobs import BlobError
from datasets.forms import RulesForm
from datasets.imaging import hashing
from datasets.imaging.checks import CHECKS
from datasets.licences import licence_name
from datasets.models import Dataset, Image, Verdict
from datasets.outcomes import Reason
from datasets.queries import FACETS, Filters
from datasets.ranges import MEASURES, Range

_CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif",
                  "BMP": "image/bmp", "TIFF": "image/tiff", "AVIF": "image/avif"}  # fmt: skip
_YEAR_S = 365 * 24 * 3600

#: What a browser may do with a stranger's bytes: nothing. django-csp leaves a policy alone that is there already.
_SANDBOX = "default-src 'none'; sandbox"


@require_GET
def dataset_list(request: HttpRequest) -> HttpResponse:
    found, next_after = cards.page_of_cards(visible_datasets(request), _after(request))
    return render(request, "datasets/list.html", {"cards": found, "next_after": next_after})


@require_GET
def gallery(request: HttpRequest, slug: str) -> HttpResponse:
    dataset = visible_dataset(request, slug)
    filters = filters_of(dataset, request.GET)
    images = queries.matching(dataset, filters)
    sort = request.GET.get("sort", "")
    sort = sort if sort in queries.ORDERS else ""
    after = request.GET.get("after", "")
    shown, next_after = queries.gallery_page(images, after, preferences.page_size(request), queries.ORDERS[sort])
    tiles = request.GET.get("tiles", "")
    head = queries.head(dataset)
    may_change = may_change_rules(request, dataset)
    context = {
        "dataset": dataset,
        "head": head,
        "may_change": may_change,
        "mine": review.last_of(cast(User, request.user), dataset) if may_change else None,
        "filters": filters,
        "tally": queries.tally(dataset, filters, excluded=head.excluded),
        "checks": CHECKS,
        "chips": _chips(request.GET, filters, dataset),
        "images": shown,
        "newest": _without(request.GET, "after", "") if "after" in request.GET else "",
        "older": _with(request.GET, after=next_after) if next_after else "",
        "sort": sort,
        "orders": queries.ORDERS,
        "tiles": tiles if tiles in preferences.TILES else preferences.tiles(request),
        "tile_sizes": [(name, title, _with(request.GET, tiles=name)) for name, title in preferences.TILES.items()],
        "newest_shown": shown[0].pk if shown and not (sort or after or filters.count) else None,
    }
    response = render(request, "datasets/gallery.html", context)
    if tiles:
        preferences.keep_tiles(response, tiles)
    return response


@require_http_methods(["GET", "POST"])
def rules(request: HttpRequest, slug: str) -> HttpResponse:
    """The dataset's rules, which its maker and operators may change."""
    dataset = visible_dataset(request, slug)
    may_change = may_change_rules(request, dataset)
    if request.method == "POST":
        require(cast(User, request.user), Right.CURATE, dataset)
    form = RulesForm(request.POST if request.method == "POST" else None, instance=dataset)
    if form.is_valid():
        services.set_rules(dataset, form.cleaned_data, by=cast(User, request.user))
        messages.success(request, "Saved. The rules hold for what is crawled and checked from now on.")
        return redirect("dataset-rules", slug=slug)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    context = {"dataset": dataset, "head": queries.head(dataset), "form": form, "may_change": may_change}
    return render(request, "datasets/rules.html", context, status=status)


@require_POST
def share(request: HttpRequest, slug: str) -> HttpResponse:
    """Shows the dataset to everybody, or to its maker alone."""
    dataset = visible_dataset(request, slug)
    is_shared = request.POST.get("shared") == "1"
    services.share(dataset, is_shared=is_shared, by=cast(User, request.user))
    words = "Everybody who signs in sees it now." if is_shared else "Only who made it and administrators see it now."
    messages.success(request, words)
    return (
        redirect("dataset-rules", slug=slug)
        if is_shared or visible_datasets(request).filter(slug=slug).exists()
        else redirect("datasets")
    )


@require_GET
def image_page(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    image = _image(request, slug, pk)
    newer, older = queries.neighbours(image)
    context = {
        "image": image,
        "dataset": image.dataset,
        "newer": newer,
        "older": older,
        "phash": hashing.to_hex(image.phash),
        "file_trouble": _file_trouble(image),
        "optouts": _optouts(image),
        "checks": checkup.of_image(image),
        "may_change": may_change_rules(request, image.dataset),
    }
    return render(request, "datasets/image.html", context)


@require_GET
def thumbnail(request: HttpRequest, slug: str, pk: int) -> HttpResponseBase:
    """Our own re-encode: what pages show of a picture, until two are compared closely."""
    response = _file(_image(request, slug, pk).thumb_name, "image/jpeg")
    if response.status_code == HTTPStatus.OK:
        patch_cache_control(response, private=True, max_age=_YEAR_S, immutable=True)
    return response


@require_GET
def original(request: HttpRequest, slug: str, pk: int) -> HttpResponseBase:
    """The bytes as they came, to be saved, or drawn by an `img` alone: a stranger chose them.

    Opened by themselves they are downloaded, and run nothing.
    """
    image = _image(request, slug, pk)
    response = _file(image.blob_name, _CONTENT_TYPES[image.format], save_as=image.blob_name.rpartition("/")[2])
    response["Content-Security-Policy"] = _SANDBOX
    return response


def _image(request: HttpRequest, slug: str, pk: int) -> Image:
    images = Image.objects.select_related("dataset", "near_duplicate_of")
    images = images.filter(seen_by(cast(User, request.user), "dataset__"))
    return get_object_or_404(images, pk=pk, dataset__slug=slug)


def _file(name: str, content_type: str, *, save_as: str = "") -> HttpResponseBase:
    """The blob for a page, or to be saved under a name: then from the store itself, where browsers can reach it."""
    try:
        if save_as and (link := blobs.link(name, save_as=save_as)):
            return redirect_to(link)
        return FileResponse(blobs.open(name), content_type=content_type, as_attachment=bool(save_as), filename=save_as)
    except FileNotFoundError:
        raise Http404("The file of this image is missing from the media folder.") from None
    except BlobError as error:
        return HttpResponse(str(error), status=HTTPStatus.SERVICE_UNAVAILABLE, content_type="text/plain; charset=utf-8")


#: What is kept as evidence, and how it is called on the page.
_ASKED = {
    "robots_txt": "robots.txt",
    "robots_tag": "X-Robots-Tag",
    "tdm_reservation": "tdm-reservation",
    "embedded": "IPTC, PLUS",
}


def _optouts(image: Image) -> list[tuple[str, str]]:
    """(where, what it said) of machine use when the picture was fetched; empty where nobody was asked."""
    told = []
    for name, title in _ASKED.items():
        if entry := image.optout_evidence.get(name):
            said = entry["said"] or ("says nothing" if entry["obeyed"] or name != "robots_txt" else "not asked")
            told.append((title, said if entry["obeyed"] else f"{said} (switched off for this dataset)"))
    return told


def _file_trouble(image: Image) -> str:
    """What is wrong with the image's file and what to do; "" where the file is there."""
    try:
        is_there = blobs.exists(image.blob_name)
    except BlobError as error:
        return str(error)
    if is_there:
        return ""
    return f"The file is missing from the media folder. Bring {image.blob_name} back from a backup."


def _after(request: HttpRequest) -> int | None:
    after = request.GET.get("after", "")
    return int(after) if after.isdecimal() and len(after) < 19 else None


def filters_of(dataset: Dataset, given: QueryDict) -> Filters:
    """What an address of the gallery asks for; what it does not understand is left out."""
    return Filters(
        chosen={key: values for key in FACETS if (values := [v for v in given.getlist(key) if "\x00" not in v])},
        search=given.get("q", "").replace("\x00", "").strip()[:100],
        only_alike="alike" in given,
        ranges={name: found for name in MEASURES if (found := Range.parse(given.get(name, "")))},
        flags={check: flags.condition(dataset, check) for check in CHECKS if check.value in given.getlist("flag")},
        damage=[reason.value for reason in Reason if reason.value in given.getlist("damage")],
        review=[verdict.value for verdict in Verdict if verdict.value in given.getlist("review")],
    )


def _chips(given: QueryDict, filters: Filters, dataset: Dataset) -> list[tuple[str, str]]:
    """(words, address without it) of each filter that is on."""
    chips = [
        (licence_name(value, "") if key == "licence" else value, _without(given, key, value))
        for key, values in filters.chosen.items()
        for value in values
    ]
    if filters.search:
        is_partial = filters.is_short_search and numbers.is_large(dataset)
        where = f" among the newest {queries.SHORT_SEARCH:,}" if is_partial else ""
        chips.append((f"“{filters.search}”{where}", _without(given, "q", str(given["q"]))))
    if filters.only_alike:
        chips.append(("Look-alikes", _without(given, "alike", str(given["alike"]))))
    for name, chosen in filters.ranges.items():
        words = f"{MEASURES[name].title} {chosen.words}"
        chips.append((words, _without(given, name, str(given[name]))))
    return chips + _check_chips(given, filters)


def _check_chips(given: QueryDict, filters: Filters) -> list[tuple[str, str]]:
    flagged = [(CHECKS[check].title, "flag", check.value) for check in filters.flags]
    damaged = [(reason.replace("_", " "), "damage", reason) for reason in filters.damage]
    decided = [(Verdict(verdict).label, "review", verdict) for verdict in filters.review]
    return [(words, _without(given, key, value)) for words, key, value in (*flagged, *damaged, *decided)]


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
