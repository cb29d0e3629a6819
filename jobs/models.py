"""Jobs, their chunks and the ledger of findings.

`status` columns are written by jobs.lifecycle alone, counters by jobs.recorder, quotas by jobs.planner.
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from datasets.models import Dataset, Image
from datasets.outcomes import Outcome, Reason
from jobs import export_models, look_models, notice_models, source_models, token_models  # noqa: F401  Django finds models in this module


class Status(models.TextChoices):
    """The five words for jobs and chunks alike. Paused is a column of the job, not a status."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
OPEN = (Status.PENDING, Status.PROCESSING)


class Kind(models.TextChoices):
    """What a job does: jobs.plans has a module for each."""

    CRAWL = "crawl", "crawl"
    VALIDATE = "validate", "validation"
    REPAIR = "repair", "repair"
    EXPORT = "export", "export"


class Counters(models.Model):
    """The ledger's totals. The law `found = kept + duplicate + rejected + failed + skipped` is the database's."""

    found = models.PositiveIntegerField(default=0)
    kept = models.PositiveIntegerField(default=0)
    duplicate = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    size_bytes = models.PositiveBigIntegerField(default=0, help_text="Bytes of the images kept.")

    class Meta:
        abstract = True


#: True of jobs that failed, or ended with failures that are worth a look.
NEEDS_ATTENTION = Q(status=Status.FAILED) | Q(status=Status.COMPLETED, failed__gt=0)

_LEDGER_LAW = Q(found=F("kept") + F("duplicate") + F("rejected") + F("failed") + F("skipped"))


class Job(Counters):
    """One piece of background work on a dataset. Its counters are the sum over its chunks, settled as chunks end."""

    kind = models.CharField(max_length=10, choices=Kind, default=Kind.CRAWL)
    # Without an index of its own: job_by_dataset begins with it, and has the order of lists.
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="jobs", db_index=False)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    dry_run = models.BooleanField(default=False)
    spec = models.JSONField(help_text="What was asked for: see jobs.spec.")
    wanted = models.PositiveIntegerField(
        default=0, help_text="How much there is to do: images to keep over all labels, or images to look at."
    )
    run = models.PositiveIntegerField(
        default=1, help_text="Counts retries; chunks and findings name the run they ran in."
    )
    retry_reasons = models.JSONField(
        default=list,
        blank=True,
        help_text="This run tries only downloads again that failed for these reasons; empty: all that is undone.",
    )
    published_at = models.DateTimeField(null=True, blank=True, help_text="When a message for planning was last sent.")
    list_lease_expires_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Set while the URL list is being stored: the job starts only when it is empty. It stays set where "
        "the list never became whole.",
    )
    listed_count = models.PositiveIntegerField(default=0, help_text="Addresses of the URL list that are stored.")
    paused_at = models.DateTimeField(null=True, blank=True, help_text="No chunk is taken while it is set.")
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="jobs"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    summary = models.TextField(blank=True, help_text="How it ended, in a sentence: why it kept fewer than asked.")
    ended = models.JSONField(
        null=True, blank=True, help_text="What its ended chunks come to (jobs.progress). Empty: to be summed up."
    )
    outlook = models.JSONField(
        null=True, blank=True, help_text="What a dry run says of the crawl: see jobs.outlook. Empty for other jobs."
    )
    submit_key = models.CharField(
        max_length=64,
        null=True,
        blank=True,
        unique=True,
        help_text="Makes a form or request that is sent twice one job.",
    )
    submit_digest = models.CharField(
        max_length=64, blank=True, help_text="What was asked for under that key: another request with it is refused."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=Status.values), name="job_status"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="job_kind"),
            models.CheckConstraint(
                condition=Q(status__in=TERMINAL, finished_at__isnull=False)
                | (~Q(status__in=TERMINAL) & Q(finished_at__isnull=True)),
                name="job_finished_at_if_terminal",
            ),
            models.CheckConstraint(condition=_LEDGER_LAW, name="job_ledger_law"),
            models.CheckConstraint(
                condition=Q(list_lease_expires_at__isnull=True) | ~Q(status__in=[Status.PROCESSING, Status.COMPLETED]),
                name="job_starts_with_its_whole_list",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "-id", "dataset"], name="job_by_status"),
            models.Index(fields=["dataset", "-id"], name="job_by_dataset"),
            models.Index(fields=["-id", "dataset"], condition=NEEDS_ATTENTION, name="job_needs_attention"),
            models.Index(fields=["-finished_at"], condition=Q(status__in=TERMINAL), name="job_by_end"),
            models.Index(
                fields=["list_lease_expires_at"],
                condition=Q(list_lease_expires_at__isnull=False),
                name="job_by_list_lease",
            ),
        ]

    def __str__(self) -> str:
        return f"Job {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("job", args=[self.pk])

    @property
    def is_crawl(self) -> bool:
        return self.kind == Kind.CRAWL

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def has_whole_list(self) -> bool:
        """Whether the URL list is stored to its end, or there is none to store."""
        return self.list_lease_expires_at is None


class LabelTarget(models.Model):
    """How many images a job is to keep for one label, over all its keywords and sources.

    `reserved` is promised to chunks under way; kept and reserved never exceed wanted.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="targets")
    label = models.CharField(max_length=200)
    wanted = models.PositiveIntegerField()
    kept = models.PositiveIntegerField(default=0)
    reserved = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "label"], name="target_once_per_label"),
            models.CheckConstraint(condition=Q(wanted__gte=F("kept") + F("reserved")), name="target_never_exceeded"),
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.kept} of {self.wanted}"


class ListedUrl(models.Model):
    """One line of a URL list that was pasted or uploaded for a job, in the list's order per label."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="listed_urls")
    label = models.CharField(max_length=200)
    position = models.PositiveIntegerField()
    url = models.TextField()
    title = models.CharField(max_length=300, blank=True)
    licence = models.CharField(max_length=100, blank=True)
    page_url = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "label", "position"], name="listed_url_once_per_position"),
        ]

    def __str__(self) -> str:
        return self.url


#: What stands in place of a source in chunks that crawl nothing: a range of images, the search for duplicates, and
#: the parts of an export in their order.
IMAGES_PART = "images"
DUPLICATES_PART = "duplicates"
VERSION_PART = "version"
FILES_PART = "files"
CHECK_PART = "check"

_PART_TITLES = {
    DUPLICATES_PART: "The search for duplicates",
    VERSION_PART: "The version",
    FILES_PART: "Writing the files",
    CHECK_PART: "Reading the files back",
}


def chunk_title(keyword: str, source: str, *, strand: int = 0, window: int = 0) -> str:
    """What a chunk works on, as people read it."""
    if keyword:
        return f"{keyword} × {source}, part {strand + 1}" if strand else f"{keyword} × {source}"
    return _PART_TITLES.get(source) or f"Batch {window + 1} of images"


class Chunk(Counters):
    """What one Celery task does: one keyword, one source, one window of results; or one range of images.

    The chunks of one keyword and source form a lane: they run one after the other, `window` counts them, and each
    goes on at the `position` where the one before it stopped. A long list has a lane for each `strand` of it. `quota`
    is what of the label's target is reserved for this chunk and not kept yet. A worker holds the chunk by
    `lease_token` until `lease_expires_at`.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="chunks")
    run = models.PositiveIntegerField(default=1)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    keyword = models.CharField(max_length=200)
    label = models.CharField(max_length=200)
    source = models.CharField(max_length=40)
    strand = models.PositiveSmallIntegerField(default=0, help_text="Which part of a list that several workers read.")
    window = models.PositiveIntegerField(default=0)
    position = models.JSONField(
        default=dict, help_text="Where to go on: the source's cursor of a page, and the offset in it."
    )
    exhausted = models.BooleanField(default=False, help_text="The source has no more for this keyword.")
    quota = models.PositiveIntegerField(default=0)
    listed = models.PositiveIntegerField(null=True, blank=True, help_text="How many results the source says it has.")

    published_at = models.DateTimeField(null=True, blank=True, help_text="When a message was last sent; null: not yet.")
    not_before = models.DateTimeField(null=True, blank=True, help_text="Put off until then, after a source's refusal.")
    lease_token = models.UUIDField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True)
    task_id = models.CharField(max_length=64, blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text="How often a worker took it, in this run.")
    lost_attempts = models.PositiveIntegerField(default=0, help_text="How often its worker vanished, in this run.")
    refusals = models.PositiveIntegerField(default=0, help_text="How often its source could not answer, in this run.")
    waits_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when it has waited for a source that is left alone."
    )
    error_code = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True, help_text="What went wrong, as a sentence.")
    traceback = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["job", "label", "keyword", "source", "strand", "window"], name="chunk_once_per_window"
            ),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="chunk_status"),
            models.CheckConstraint(
                condition=Q(status=Status.PROCESSING, lease_token__isnull=False, lease_expires_at__isnull=False)
                | (~Q(status=Status.PROCESSING) & Q(lease_token__isnull=True, lease_expires_at__isnull=True)),
                name="chunk_leased_if_processing",
            ),
            models.CheckConstraint(
                condition=Q(status__in=TERMINAL, finished_at__isnull=False)
                | (~Q(status__in=TERMINAL) & Q(finished_at__isnull=True)),
                name="chunk_finished_at_if_terminal",
            ),
            models.CheckConstraint(condition=Q(quota=0) | ~Q(status__in=TERMINAL), name="chunk_gives_its_quota_back"),
            models.CheckConstraint(condition=_LEDGER_LAW, name="chunk_ledger_law"),
        ]
        indexes = [
            models.Index(
                fields=["status", "lease_expires_at"],
                condition=Q(status__in=[Status.PENDING, Status.PROCESSING]),
                name="chunk_open",
            ),
            models.Index(fields=["job", "status"], name="chunk_by_job_status"),
        ]

    def __str__(self) -> str:
        return f"{self.title} #{self.window}"

    @property
    def title(self) -> str:
        return chunk_title(self.keyword, self.source, strand=self.strand, window=self.window)


class Finding(models.Model):
    """What became of one candidate, or of one image that was looked at.

    `key` is `url:<url_key>` for a URL's first listing in the job, and names the chunk too where a URL is listed again;
    it is `image:<id>` for an image of the dataset.
    """

    # Without indexes of their own: those below begin with them.
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="findings", db_index=False)
    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, related_name="findings", db_index=False)
    run = models.PositiveIntegerField(default=1)
    key = models.CharField(max_length=80)
    url = models.TextField()
    outcome = models.CharField(max_length=10, choices=[(o.value, o.value) for o in Outcome])
    reason = models.CharField(max_length=30, blank=True, choices=[(r.value, r.value) for r in Reason])
    detail = models.TextField(blank=True)
    image = models.ForeignKey(
        Image,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The image kept, or the one that a duplicate equals.",
    )
    sha256 = models.CharField(max_length=64, blank=True)
    format = models.CharField(max_length=10, blank=True)
    width_px = models.PositiveIntegerField(default=0)
    height_px = models.PositiveIntegerField(default=0)
    size_bytes = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0, help_text="Of fetching and decoding, without waiting.")
    attempts = models.PositiveIntegerField(default=0)
    candidate = models.JSONField(null=True, blank=True, help_text="What the source said of it; kept for a retry.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["job", "key"], name="finding_once_per_candidate"),
            models.CheckConstraint(condition=Q(outcome__in=[o.value for o in Outcome]), name="finding_outcome"),
            models.CheckConstraint(condition=Q(reason__in=["", *[r.value for r in Reason]]), name="finding_reason"),
            models.CheckConstraint(
                condition=Q(outcome=Outcome.KEPT.value, reason="") | (~Q(outcome=Outcome.KEPT.value) & ~Q(reason="")),
                name="finding_reason_unless_kept",
            ),
        ]
        indexes = [
            models.Index(fields=["key"], name="finding_by_key"),
            models.Index(fields=["chunk", "outcome"], name="finding_by_chunk"),
            models.Index(fields=["job", "outcome", "reason"], name="finding_by_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} {self.url}"


class Level(models.TextChoices):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Activity(models.Model):
    """The job's log as its user reads it."""

    # Without an index of its own: activity_by_job begins with it.
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="activities", db_index=False)
    at = models.DateTimeField(auto_now_add=True)
    level = models.CharField(max_length=10, choices=Level, default=Level.INFO)
    sentence = models.TextField()
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "activities"
        constraints = [models.CheckConstraint(condition=Q(level__in=Level.values), name="activity_level")]
        indexes = [
            models.Index(fields=["job", "-id"], name="activity_by_job"),
            models.Index(fields=["job", "-id"], condition=~Q(level=Level.INFO), name="activity_problems"),
        ]

    def __str__(self) -> str:
        return self.sentence
