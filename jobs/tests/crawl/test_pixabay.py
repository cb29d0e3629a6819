"""The Pixabay adapter against a loopback server of the API's shape."""

from dataclasses import replace
from typing import Any

from jobs.crawl.filters import Colour, Filters, Orientation
from jobs.crawl.sources import pixabay
from jobs.crawl.sources.base import SlicedSource, SourceBadRequest, SourceRefused
from jobs.crawl.types import Candidate
from jobs.tests.crawl.faultweb import FaultWeb
from jobs.tests.crawl.matrix import QUERY, SourceMatrix
from jobs.tests.crawl.service import Asked, Service, SourceCase

HIT: dict[str, Any] = {
    "id": 195893,
    "pageURL": "https://pixabay.com/photos/blossom-195893/",
    "type": "photo",
    "tags": "blossom, bloom",
    "previewURL": "https://cdn.example/p_150.jpg",
    "webformatURL": "https://cdn.example/p_640.jpg",
    "largeImageURL": "https://cdn.example/p_1280.jpg",
    "imageWidth": 4000,
    "imageHeight": 2250,
    "imageSize": 4731420,
    "user_id": 48777,
    "user": "Josch13",
    "noAiTraining": False,
    "isAiGenerated": False,
    "isGRated": True,
}


class TestMatrix(SourceMatrix):
    """What every adapter has to do."""

    case = SourceCase(
        module=pixabay,
        path="/api/",
        url="/api/",
        item=lambda _number, url: {**HIT, "imageURL": url},
        bare=lambda url: {"largeImageURL": url},
        body=lambda shown, count, _asked: {"total": count, "totalHits": min(count, 500), "hits": list(shown)},
        asked=lambda query: Asked(start=(int(query["page"]) - 1) * int(query["per_page"]), size=int(query["per_page"])),
        expected=Candidate(
            url="",
            source="pixabay",
            source_id="195893",
            thumb_url="https://cdn.example/p_150.jpg",
            page_url="https://pixabay.com/photos/blossom-195893/",
            title="blossom, bloom",
            creator="Josch13",
            creator_url="https://pixabay.com/users/Josch13-48777/",
            licence_code="pixabay",
            licence_url="https://pixabay.com/service/license-summary/",
            attribution="“blossom, bloom” by Josch13 is marked with Pixabay Content License.",
            width_px=4000,
            height_px=2250,
            size_bytes=4731420,
            tags=("blossom", "bloom"),
            ml_use="restricted",
        ),
        credentials={"key": "s3cret-pixabay-key"},
        odd=[{"id": 1}, {"largeImageURL": None}, {"imageURL": 5}, "text", None],
        errors=[
            (400, b"[ERROR 400] Invalid or missing API key (https://pixabay.com/api/docs/).", SourceRefused),
            (400, b'[ERROR 400] "page" is out of valid range.', SourceBadRequest),
        ],
        changed=[{"total": 1}, {"hits": {"0": {}}}],
        filters=[
            (Filters(), {"safesearch": "true", "orientation": None, "colors": None, "min_width": None}),
            (Filters(safe_search=False), {"safesearch": "false"}),
            (Filters(orientation=Orientation.LANDSCAPE), {"orientation": "horizontal"}),
            (Filters(orientation=Orientation.SQUARE), {"orientation": None}),
            (Filters(colour=Colour.PURPLE), {"colors": "lilac"}),
            (Filters(min_width_px=800, min_height_px=600), {"min_width": "800", "min_height": "600"}),
        ],
    )


def test_the_size_of_an_original_is_not_said_of_a_smaller_copy(web: FaultWeb) -> None:
    result = {**HIT, "largeImageURL": web.url("/p_1280.jpg"), "isGRated": False}
    (found,) = Service(TestMatrix.case, web, results=[result]).source().page(QUERY, None).candidates
    assert (found.url, found.width_px, found.size_bytes, found.mature) == (web.url("/p_1280.jpg"), None, None, True)


def test_slices_are_kinds_orientations_and_categories(web: FaultWeb) -> None:
    source = Service(TestMatrix.case, web).source()
    assert isinstance(source, SlicedSource)
    kinds = source.slices(QUERY)
    assert [part.words for part in kinds] == ["photo", "illustration", "vector"]
    shapes = source.slices(replace(QUERY, slice=kinds[0]))
    assert [part.words for part in shapes] == ["photo, horizontal", "photo, vertical"]
    assert len(source.slices(replace(QUERY, slice=shapes[0]))) == 20
    lying = replace(QUERY, slice=kinds[0], filters=Filters(orientation=Orientation.LANDSCAPE))
    assert len(source.slices(lying)) == 20
