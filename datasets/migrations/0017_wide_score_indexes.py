"""The indexes of scores hold all that galleries count images by, so that a range of scores reads no row.

Costs nothing when an image is recorded: it has no score, and no entry, until a strict validation has looked at it. An
entry is 77 bytes instead of about 40, and a strict validation pays 0.08 ms more for the six of an image.
"""

from django.db import migrations, models

SCORES = (
    "dark_score", "light_score", "low_information_score", "blurry_score", "odd_aspect_ratio_score", "uniform_score",
)  # fmt: skip


def operations():
    for score in SCORES:
        name = f"image_{score.removesuffix('_score')}"
        yield migrations.RemoveIndex(model_name="image", name=name)
        yield migrations.AddIndex(
            model_name="image",
            index=models.Index(
                condition=models.Q((f"{score}__isnull", False)),
                fields=["dataset", score, "-id", "review", "label", "source", "licence_code", "format", "damage"],
                name=name,
            ),
        )


class Migration(migrations.Migration):
    dependencies = [("datasets", "0016_labels_of_duplicates")]

    operations = list(operations())
