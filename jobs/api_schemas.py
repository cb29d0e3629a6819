"""The bodies of the API: strict, so that a misspelt field or a wild number is told, not guessed at."""

import unicodedata
from enum import StrEnum
from typing import Annotated

from ninja import Schema
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from datasets.licences import LicenceClass
from jobs.crawl.filters import Colour, Orientation, PictureFormat
from jobs.spec import MAX_KEYWORDS, MAX_PER_LABEL

#: Lists larger than these are told apart from the request's 10 MiB limit, by name.
_MAX_SOURCES = 50
_MAX_URLS = 100_000


def _without_control_characters(value: str) -> str:
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise ValueError("Control characters (such as NUL or a line break) are not allowed.")
    return value


def _known(kind: type[StrEnum]) -> str:
    return ", ".join(f"`{one}`" for one in kind)


Text = Annotated[str, AfterValidator(_without_control_characters)]

#: What the columns of numbers of rows hold.
MAX_ID = 2**63 - 1

#: The cursor of a list: what `next` of the answer before said.
After = Annotated[int | None, Field(ge=0, le=MAX_ID, description="The `next` of the answer before.")]


class CrawlBody(BaseModel):
    """A crawl to start."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "dataset": "birds",
                    "keywords": ["tiger shark", "bird: robin, European robin"],
                    "sources": ["openverse"],
                    "per_label": 100,
                }
            ]
        },
    )

    dataset: Annotated[Text, Field(min_length=1, max_length=120, description="Its name; made if there is none.")]
    keywords: Annotated[
        list[Annotated[Text, Field(max_length=10_000)]],
        Field(max_length=MAX_KEYWORDS, description="Lines: a keyword, or `label: keyword, keyword`."),
    ] = []
    sources: Annotated[list[Annotated[Text, Field(max_length=40)]], Field(min_length=1, max_length=_MAX_SOURCES)]
    per_label: Annotated[
        int, Field(ge=1, le=MAX_PER_LABEL, description="Images to keep per label, over all its keywords and sources.")
    ]
    min_size: Annotated[
        Text, Field(max_length=20, description="Least width and height in pixels, such as `64x64`.")
    ] = "64x64"
    format: Annotated[Text, Field(max_length=20, description=f"One of {_known(PictureFormat)}.")] = "any"
    orientation: Annotated[Text, Field(max_length=20, description=f"One of {_known(Orientation)}.")] = "any"
    colour: Annotated[Text, Field(max_length=20, description=f"One of {_known(Colour)}.")] = "any"
    licence: Annotated[
        Text, Field(max_length=20, description=f"What it has to allow: one of {_known(LicenceClass)}.")
    ] = "any"
    safe_search: Annotated[bool, Field(description="Leaves out what sources mark as mature.")] = True
    after: Annotated[Text, Field(max_length=10, description="First day, such as `2020-01-31`.")] = ""
    before: Annotated[Text, Field(max_length=10, description="Last day.")] = ""
    urls: Annotated[
        list[Annotated[Text, Field(max_length=10_000)]] | None,
        Field(min_length=1, max_length=_MAX_URLS, description="Image addresses for the source `urls`."),
    ] = None
    dry_run: bool = False


class _AgainBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    run: Annotated[
        int | None,
        Field(ge=1, le=MAX_ID, description="The run you saw: the same request again is refused once another began."),
    ] = None


class RetryBody(_AgainBody):
    """What to try again; without a body all that failed or was not done."""

    reasons: Annotated[
        list[Annotated[Text, Field(max_length=40)]],
        Field(max_length=50, description="Only the downloads that failed for these reasons, such as `timeout`."),
    ] = []


class TopUpBody(_AgainBody):
    """How many more images per label to look for."""

    images: Annotated[int, Field(ge=1, le=MAX_PER_LABEL, description="More images per label.")]


class ValidateBody(BaseModel):
    """How closely to look."""

    model_config = ConfigDict(extra="forbid", strict=True)

    level: Annotated[Text, Field(max_length=10, description="basic, standard or strict.")] = "standard"


class RepairBody(BaseModel):
    """What to fetch again."""

    model_config = ConfigDict(extra="forbid", strict=True)

    image: Annotated[
        int | None, Field(ge=1, le=MAX_ID, description="Only this image; without it all that are damaged.")
    ] = None


class DatasetBody(BaseModel):
    """A dataset to make."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[Text, Field(min_length=1, max_length=120, description="1 to 120 printable characters.")]


class ShortLabel(Schema):
    """A label that would get fewer images than it is to have."""

    label: str
    images: int
    wanted: int


class OutlookReport(Schema):
    """What a dry run says of the crawl; `short` are the first of `short_count` labels that would stay short."""

    images: int
    wanted: int
    size_bytes: int
    seconds: int
    short: list[ShortLabel]
    short_count: int
    is_size_seen: Annotated[bool, Field(description="The bytes are those of its own pictures, not a guess.")]


class JobReport(Schema):
    """A job as it stands: jobs.reports.job_report."""

    job: int
    kind: Annotated[str, Field(description="crawl, validate, repair or export.")]
    dataset: str
    status: str
    run: Annotated[int, Field(description="Counts retries and top-ups.")]
    found: int
    kept: int
    duplicate: int
    rejected: int
    failed: int
    skipped: int
    reasons: Annotated[dict[str, int], Field(description="Reason code: how many candidates were not kept for it.")]
    seconds: Annotated[float, Field(description="From the job's first start to its end, or until now.")]
    outlook: Annotated[OutlookReport | None, Field(description="Of a dry run that has ended; else null.")]


class Problem(Schema):
    """What went wrong, what to do, and which part of the request it is about (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
