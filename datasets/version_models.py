"""Frozen versions of datasets, and which split every image went to. `datasets.versions` writes these rows."""

from django.conf import settings
from django.db import models
from django.urls import reverse

from datasets.exports.types import SPLITS

_SPLIT_CHOICES = [(split, split) for split in SPLITS]


class DatasetVersion(models.Model):
    """A numbered list of images that never changes: what an export is of. `number` counts within the dataset, from 1.

    `name` is the dataset's at that time. `policy`, `seed` and `shares` say by what it was chosen; `counts` are images
    by split and label, `left_out` the images that stayed out, by the sentence that says why. `digest` is the SHA-256
    over all rows: versions with the same digest hold the same images in the same splits.
    """

    dataset = models.ForeignKey("datasets.Dataset", on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=120)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField()
    policy = models.JSONField()
    seed = models.PositiveBigIntegerField()
    shares = models.JSONField()
    labels = models.JSONField()
    counts = models.JSONField()
    left_out = models.JSONField(default=dict)
    image_count = models.PositiveIntegerField()
    size_bytes = models.PositiveBigIntegerField()
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="version_once_per_number"),
            models.CheckConstraint(condition=models.Q(number__gt=0), name="version_counts_from_one"),
            models.CheckConstraint(condition=models.Q(image_count__gt=0), name="version_has_images"),
        ]

    def __str__(self) -> str:
        return f"{self.name} version {self.number}"

    def get_absolute_url(self) -> str:
        return reverse("dataset-version", args=[self.dataset.slug, self.number])


class VersionImage(models.Model):
    """One image of a version, with all that may change later. Facts, origin and rights of an image never do.

    No foreign key to the image: one that is removed stays on the list, and an export of the version is refused then.
    """

    version = models.ForeignKey(DatasetVersion, on_delete=models.CASCADE, related_name="images")
    image_id = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    label = models.CharField(max_length=200)
    split = models.CharField(max_length=10, choices=_SPLIT_CHOICES)
    near_duplicate_of = models.PositiveBigIntegerField(null=True, blank=True)
    near_distance_bits = models.PositiveSmallIntegerField(null=True, blank=True)
    decisions = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["image_id"]
        constraints = [
            models.UniqueConstraint(fields=["version", "image_id"], name="version_image_once"),
            models.CheckConstraint(condition=models.Q(split__in=SPLITS), name="version_image_split"),
        ]
        indexes = [models.Index(fields=["sha256"], name="version_image_by_sha256")]

    def __str__(self) -> str:
        return f"image {self.image_id} in version {self.version_id}"


class SplitAssignment(models.Model):
    """The split of an image, in every version of its dataset. What is stored never changes."""

    image = models.OneToOneField(
        "datasets.Image", on_delete=models.CASCADE, primary_key=True, related_name="split_assignment"
    )
    split = models.CharField(max_length=10, choices=_SPLIT_CHOICES)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(split__in=SPLITS), name="assignment_split")]

    def __str__(self) -> str:
        return f"image {self.image_id}: {self.split}"
