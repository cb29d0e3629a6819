"""What an export job makes. `jobs.export_work` writes these rows, `jobs.exports` takes files away."""

from django.db import models
from django.db.models import Q


class Export(models.Model):
    """The files of one export job; they are offered from `ready_at` on, when they were read back and found sound.

    `files` lists name, sha256 and size_bytes of each; `pictures` counts those in them, `left_out` by sentence what the
    format's readers cannot take. With `removed_at` the files are gone, and the row says what there was.
    """

    job = models.OneToOneField("jobs.Job", on_delete=models.CASCADE, primary_key=True, related_name="export")
    version = models.ForeignKey(
        "datasets.DatasetVersion", on_delete=models.CASCADE, null=True, blank=True, related_name="exports"
    )
    format = models.CharField(max_length=20)
    folder = models.CharField(max_length=40, unique=True, help_text="Its name in the folder of exports; nobody else's.")
    files = models.JSONField(default=list)
    pictures = models.PositiveIntegerField(default=0)
    decoded = models.PositiveIntegerField(default=0, help_text="Pictures that were decoded when it was read back.")
    left_out = models.JSONField(default=dict)
    size_bytes = models.PositiveBigIntegerField(default=0)
    ready_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-job"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ready_at__isnull=True) | Q(version__isnull=False), name="export_ready_with_a_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.format} of job {self.job_id}"

    @property
    def is_offered(self) -> bool:
        """Whether its files may be downloaded."""
        return self.ready_at is not None and self.removed_at is None
