"""What a dataset is made of.

Rows of Image are written through datasets.services (by jobs.recorder and jobs.examined), `review` by datasets.review.
"""

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models.functions import Cast
from django.urls import reverse

from datasets import (  # noqa: F401  Django finds models in this module
    audit_models,
    move_models,
    number_models,
    takedown_models,
    version_models,
)
from datasets.fields import PlainBinaryField
from datasets.image_indexes import IMAGE_INDEXES
from datasets.outcomes import Reason


class ValidationLevel(models.TextChoices):
    """How closely a validation looks; each level does all that the one before it does."""

    BASIC = "basic", "basic: files, checksums, headers"
    STANDARD = "standard", "standard: every pixel, and duplicates"
    STRICT = "strict", "strict: quality and personal data as well"


class Dataset(models.Model):
    """A named, labelled collection of images with rules. Its totals are kept with every recording."""

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=140, unique=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="datasets"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    is_shared = models.BooleanField(
        default=False, help_text="Whether everybody who signs in sees it; else who made it, and administrators."
    )
    near_duplicate_bits = models.PositiveSmallIntegerField(
        default=10,
        validators=[MaxValueValidator(32)],
        help_text="Pictures whose pHash differs in at most so many of 64 bits are flagged as alike.",
    )
    obey_robots_txt = models.BooleanField(
        "Obey robots.txt",
        default=True,
        help_text="Fetch nothing that a site's robots.txt asks crawlers to leave alone.",
    )
    obey_robots_tag = models.BooleanField(
        "Obey X-Robots-Tag",
        default=True,
        help_text="Keep no picture whose answer carries noai, noimageai, noindex or noimageindex.",
    )
    obey_tdm_reservation = models.BooleanField(
        "Obey tdm-reservation",
        default=True,
        help_text="Keep no picture whose site reserves text and data mining (TDMRep).",
    )
    obey_embedded = models.BooleanField(
        "Obey statements in the file",
        default=True,
        help_text="Keep no picture whose own metadata prohibits data mining (IPTC, PLUS).",
    )
    skip_near_duplicates = models.BooleanField(
        "Skip look-alikes while crawling",
        default=False,
        help_text="A picture that looks like one of the dataset is not kept, but recorded as duplicate_near.",
    )
    match_turned = models.BooleanField(
        "Find mirrored and turned pictures",
        default=False,
        help_text="A validation also compares each picture mirrored and turned by 90°, 180° and 270°.",
    )
    quality_thresholds = models.JSONField(
        default=dict, blank=True, help_text="Where a check of the quality flags from: check to threshold; else default."
    )
    validate_after_crawl = models.CharField(
        max_length=10,
        choices=ValidationLevel,
        blank=True,
        help_text="Every crawl that kept something is followed by a validation of this level.",
    )
    image_count = models.PositiveIntegerField(default=0)
    size_bytes = models.PositiveBigIntegerField(default=0)
    #: Of its content: whoever changes images counts it up in the same transaction (datasets.numbers).
    revision = models.PositiveBigIntegerField(default=0)
    submit_key = models.CharField(
        max_length=64, null=True, blank=True, unique=True, help_text="Makes a request that is sent twice one dataset."
    )

    class Meta:
        ordering = ["-created_at"]
        permissions = [("see_all_datasets", "Can see datasets that are not shared")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(validate_after_crawl__in=["", *ValidationLevel.values]),
                name="dataset_validate_after_crawl",
            ),
            models.CheckConstraint(condition=models.Q(near_duplicate_bits__lte=32), name="dataset_near_duplicate_bits"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("dataset", args=[self.slug])


class Verdict(models.TextChoices):
    """What people decided of an image."""

    KEPT = "kept"
    EXCLUDED = "excluded"


class Image(models.Model):
    """One picture in one dataset: its label, facts, hashes, origin and rights.

    Width and height are upright (EXIF orientation applied). `phash` and `dhash` are 64 bits as a signed integer
    (datasets.imaging.hashing). `job_id` names the job that kept it; it is no foreign key, since datasets know no jobs.
    What a validation finds is null or "" until one has looked: `damage` is the reason why the stored picture is not
    what the row says; the scores run from 0 (bad) to 1 (datasets.imaging.quality).
    """

    # Without an index of its own: those below begin with it.
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="images", db_index=False)
    job_id = models.PositiveBigIntegerField()
    label = models.CharField(max_length=200)
    keyword = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    sha256 = models.CharField(max_length=64)
    blob_name = models.CharField(max_length=100)
    thumb_name = models.CharField(max_length=100)
    size_bytes = models.PositiveBigIntegerField()
    format = models.CharField(max_length=10)
    mode = models.CharField(max_length=10)
    width_px = models.PositiveIntegerField()
    height_px = models.PositiveIntegerField()
    #: A float: the product of two integers may not fit into one.
    area_px = models.GeneratedField(
        expression=Cast("width_px", models.FloatField()) * models.F("height_px"),
        output_field=models.FloatField(),
        db_persist=True,
    )
    frames = models.PositiveIntegerField(default=1)
    phash = models.BigIntegerField()
    dhash = models.BigIntegerField()
    near_duplicate_of = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="near_duplicates"
    )
    near_distance_bits = models.PositiveSmallIntegerField(null=True, blank=True)

    source = models.CharField(max_length=40)
    source_id = models.CharField(max_length=200, blank=True)
    url = models.TextField()
    url_key = models.CharField(max_length=32)
    page_url = models.TextField(blank=True)
    title = models.CharField(max_length=300, blank=True)
    creator = models.CharField(max_length=300, blank=True)
    creator_url = models.TextField(blank=True)
    licence_code = models.CharField(max_length=40, default="unknown")
    licence_version = models.CharField(max_length=20, blank=True)
    licence_url = models.TextField(blank=True)
    attribution = models.TextField(blank=True)
    tags = models.JSONField(default=list, blank=True)
    ml_use = models.CharField(max_length=20, default="unknown")
    sha1 = models.CharField(max_length=40, blank=True, help_text="Of the original file, as its source says.")
    published_on = models.DateField(null=True, blank=True, help_text="When it was published, as its source says.")
    is_mature = models.BooleanField(default=False, help_text="Whether its source marks it as mature.")
    optout_evidence = models.JSONField(
        default=dict, blank=True, help_text="What site and file said of machine use when the picture was fetched."
    )

    checked_at = models.DateTimeField(null=True, blank=True)
    checked_level = models.CharField(max_length=10, choices=ValidationLevel, blank=True)
    damage = models.CharField(max_length=30, choices=[(r.value, r.value) for r in Reason], blank=True)
    pixel_hash = models.CharField(max_length=32, blank=True, help_text="Of the decoded, upright pixels.")
    turned_hashes = PlainBinaryField(
        null=True, blank=True, help_text="pHash and dHash of the seven mirrored and turned forms, 8 bytes each."
    )
    dark_score = models.FloatField(null=True, blank=True)
    light_score = models.FloatField(null=True, blank=True)
    low_information_score = models.FloatField(null=True, blank=True)
    blurry_score = models.FloatField(null=True, blank=True)
    odd_aspect_ratio_score = models.FloatField(null=True, blank=True)
    uniform_score = models.FloatField(null=True, blank=True)
    is_grayscale = models.BooleanField(null=True, blank=True)
    has_gps = models.BooleanField(null=True, blank=True)
    has_personal_data = models.BooleanField(null=True, blank=True)
    review = models.CharField(
        max_length=10, choices=Verdict, blank=True, help_text="The standing decision; empty: nobody decided."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "sha256"], name="image_once_per_dataset"),
            models.CheckConstraint(condition=models.Q(review__in=["", *Verdict.values]), name="image_review"),
            models.CheckConstraint(
                condition=models.Q(damage__in=["", *[r.value for r in Reason]]), name="image_damage"
            ),
            models.CheckConstraint(
                condition=models.Q(checked_level="", checked_at__isnull=True)
                | models.Q(checked_level__in=ValidationLevel.values, checked_at__isnull=False),
                name="image_checked_at_a_level",
            ),
            models.CheckConstraint(condition=models.Q(width_px__gt=0, height_px__gt=0), name="image_has_pixels"),
            models.CheckConstraint(condition=models.Q(size_bytes__gt=0), name="image_has_bytes"),
            models.CheckConstraint(
                condition=models.Q(near_duplicate_of__isnull=True) | ~models.Q(near_duplicate_of=models.F("id")),
                name="image_is_not_its_own_duplicate",
            ),
        ]
        indexes = IMAGE_INDEXES

    def __str__(self) -> str:
        return f"{self.label} {self.sha256[:12]}"

    def get_absolute_url(self) -> str:
        return reverse("image", args=[self.dataset.slug, self.pk])


class DuplicateScan(models.Model):
    """One search for duplicates in a whole dataset. Its groups count from `completed_at` on; the newest scan does."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="duplicate_scans")
    job_id = models.PositiveBigIntegerField()
    max_bits = models.PositiveSmallIntegerField()
    with_turned = models.BooleanField(default=False)
    last_image_id = models.PositiveBigIntegerField(default=0, help_text="Images that came later were not compared.")
    image_count = models.PositiveIntegerField(default=0)
    group_count = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(auto_now_add=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["dataset", "-completed_at"], name="scan_newest")]

    def __str__(self) -> str:
        return f"duplicates of dataset {self.dataset_id} at {self.started_at:%Y-%m-%d %H:%M}"


class DuplicateGroup(models.Model):
    """Pictures that look alike, and the one that is worth keeping. `position` counts within the scan, from 1."""

    scan = models.ForeignKey(DuplicateScan, on_delete=models.CASCADE, related_name="groups")
    position = models.PositiveIntegerField()
    keeper = models.ForeignKey(Image, on_delete=models.SET_NULL, null=True, related_name="+")
    why = models.TextField(help_text="Why this keeper: what sets it apart from the next best.")
    differs_in_label = models.BooleanField(default=False)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["scan", "position"], name="group_once_per_position")]
        indexes = [
            models.Index(
                fields=["scan", "position"], condition=models.Q(decided_at__isnull=True), name="group_undecided"
            )
        ]

    def __str__(self) -> str:
        return f"group {self.position} of {self.scan}"


class Likeness(models.TextChoices):
    """What ties a picture to the keeper of its group."""

    KEEPER = "keeper", "the keeper itself"
    PIXELS = "pixels", "the same pixels"
    NEAR = "near", "looks alike"
    TURNED = "turned", "alike when mirrored or turned"


class DuplicateMember(models.Model):
    """A picture of a group, the keeper too, and how far it is from the keeper: bits of the pHash and of the dHash.

    `label` and `source` are its image's: groups are found by them without a look at the images, whose rows are wide.
    """

    group = models.ForeignKey(DuplicateGroup, on_delete=models.CASCADE, related_name="members")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="memberships")
    likeness = models.CharField(max_length=10, choices=Likeness)
    label = models.CharField(max_length=200)
    source = models.CharField(max_length=40)
    phash_bits = models.PositiveSmallIntegerField()
    dhash_bits = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["group", "image"], name="member_once_per_group"),
            models.CheckConstraint(condition=models.Q(likeness__in=Likeness.values), name="member_likeness"),
        ]

    def __str__(self) -> str:
        return f"image {self.image_id} in group {self.group_id}"


class Decision(models.Model):
    """What somebody decided at one stroke, and whether it was taken back. `datasets.review` writes it."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="decisions")
    words = models.CharField(max_length=200, help_text="What was done, as people read it.")
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["dataset", "-id"], name="decision_by_dataset")]

    def __str__(self) -> str:
        return self.words


class DecidedImage(models.Model):
    """What a decision says of one image."""

    decision = models.ForeignKey(Decision, on_delete=models.CASCADE, related_name="images")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="verdicts")
    verdict = models.CharField(max_length=10, choices=Verdict)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["decision", "image"], name="verdict_once_per_decision"),
            models.CheckConstraint(condition=models.Q(verdict__in=Verdict.values), name="verdict_known"),
        ]

    def __str__(self) -> str:
        return f"image {self.image_id} {self.verdict}"


class Undecodable(models.Model):
    """Bytes that broke a decoder process, and how often. `datasets.undecodable` writes and reads it."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    kills = models.PositiveSmallIntegerField(default=0)
    last_killed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-last_killed_at"]
        verbose_name = "undecodable picture"

    def __str__(self) -> str:
        return self.sha256[:12]
