"""What was counted of large datasets, so that pages need not read all of their images. `datasets.numbers` writes it."""

from django.db import models


class KeptNumbers(models.Model):
    """The numbers of a dataset as they were at a revision of its content; None: they were never counted.

    `numbers` is what datasets.numbers reads, `cells` how many images have which label, source, licence, format and
    damage (None: too many combinations), `beside` what jobs have to add. `asked_at` says since when somebody counts.
    """

    dataset = models.OneToOneField(
        "datasets.Dataset", on_delete=models.CASCADE, primary_key=True, related_name="kept_numbers"
    )
    revision = models.PositiveBigIntegerField(null=True, blank=True)
    counted_at = models.DateTimeField(null=True, blank=True)
    image_count = models.PositiveIntegerField(default=0, help_text="Of the dataset when it was counted.")
    seconds = models.FloatField(default=0.0, help_text="How long counting took.")
    asked_at = models.DateTimeField(null=True, blank=True)
    first_size_px = models.FloatField(null=True, blank=True, help_text="First quartile of the sizes.")
    third_size_px = models.FloatField(null=True, blank=True, help_text="Third quartile of the sizes.")
    numbers = models.JSONField(default=dict)
    cells = models.JSONField(null=True, blank=True)
    beside = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "kept numbers"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(revision__isnull=True, counted_at__isnull=True)
                | models.Q(revision__isnull=False, counted_at__isnull=False),
                name="kept_numbers_counted_at_a_revision",
            ),
        ]

    def __str__(self) -> str:
        return f"numbers of dataset {self.dataset_id} at revision {self.revision}"
