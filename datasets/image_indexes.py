"""By what images are found: an index for each way in which galleries, checks and cards ask for them.

Every index costs each image that is recorded, but those with a condition that no new image meets. What few images
have is found by its index; what many have is met soon on the way through all.
"""

from typing import Final

from django.db import models
from django.db.models.functions import Cast, Least

#: What galleries count images by, beside each other: by indexes that have all of it no row is read.
FACET_COLUMNS = ("label", "source", "licence_code", "format", "damage")

#: Scores of a strict validation, from 0 (bad) to 1 (datasets.imaging.quality).
SCORES = (
    "dark_score", "light_score", "low_information_score", "blurry_score", "odd_aspect_ratio_score", "uniform_score",
)  # fmt: skip

IMAGE_INDEXES: Final = [
    models.Index(fields=["dataset", "-id"], name="image_by_dataset"),
    models.Index(fields=["dataset", "url_key"], name="image_by_url"),
    # With what was decided: labels are counted without the images that people excluded.
    models.Index(fields=["dataset", "label", "-id", "review"], name="image_by_label"),
    models.Index(fields=["job_id", "-id"], name="image_by_job"),
    models.Index(fields=["sha256"], name="image_by_sha256"),
    models.Index(fields=["dataset", "sha1"], condition=~models.Q(sha1=""), name="image_by_sha1"),
    models.Index(fields=["dataset", "damage", "review"], condition=~models.Q(damage=""), name="image_damaged"),
    models.Index(
        fields=["dataset", "review", "-id", *FACET_COLUMNS],
        condition=~models.Q(review=""),
        name="image_reviewed",
    ),
    models.Index(
        fields=["dataset"],
        condition=models.Q(licence_code__in=["", "unknown"]) & ~models.Q(review="excluded"),
        name="image_unlicensed",
    ),
    # With all that sizes are looked at for, so that no row is read: a row is ten times as wide.
    models.Index(fields=["dataset", "area_px", "id", "review"], name="image_by_area"),
    # What few images have is found by these; what many have is met soon on the way through all.
    models.Index(fields=["dataset", "source"], name="image_by_source"),
    models.Index(fields=["dataset", "licence_code"], name="image_by_licence"),
    models.Index(fields=["dataset", "format"], name="image_by_format"),
    models.Index(fields=["dataset", "size_bytes"], name="image_by_bytes"),
    models.Index("dataset", Least("width_px", "height_px"), name="image_by_short_side"),
    models.Index("dataset", Cast("width_px", models.FloatField()) / models.F("height_px"), name="image_by_aspect"),
    *(
        models.Index(fields=["dataset", "-id", "review", *FACET_COLUMNS], condition=condition, name=name)
        for name, condition in (
            ("image_alike", models.Q(near_duplicate_of__isnull=False)),
            ("image_animated", models.Q(frames__gt=1)),
            # What only a strict validation finds costs a crawl nothing: there is no entry until then.
            ("image_grayscale", models.Q(is_grayscale=True)),
            ("image_with_gps", models.Q(has_gps=True)),
            ("image_with_personal_data", models.Q(has_personal_data=True)),
        )
    ),
    *(
        models.Index(
            # With all that galleries count by: a range of scores has many images, whose rows lie all over the table.
            fields=["dataset", name, "-id", "review", *FACET_COLUMNS],
            condition=models.Q(**{f"{name}__isnull": False}),
            name=f"image_{name.removesuffix('_score')}",
        )
        for name in SCORES
    ),
]
