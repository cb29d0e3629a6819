"""The list of what is left out for good."""

from django.conf import settings
from django.db import models


class TakedownKind(models.TextChoices):
    """What an entry of the takedown list names."""

    URL = "url", "one address"
    PREFIX = "prefix", "every address below one"
    HOST = "host", "a host and all below it"
    SHA256 = "sha256", "a picture by its bytes"
    NEAR = "near", "pictures that look like one"


class Takedown(models.Model):
    """An entry of the list of what is left out for good, and the record of what it removed: who, when, why, how much.

    `value` is what people read, `key` what is looked up (datasets.takedowns). An entry with a `parent` is the hash of a
    picture that the parent removed, so that its bytes do not come back from somewhere else.
    """

    kind = models.CharField(max_length=10, choices=TakedownKind)
    value = models.TextField()
    key = models.CharField(max_length=64, unique=True)
    distance_bits = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="For look-alikes: of 64 bits of the pHash so many may differ."
    )
    why = models.TextField(help_text="Who asked for it, and for what reason.")
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, blank=True, related_name="pictures")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    removed_images = models.PositiveIntegerField(
        default=0, help_text="Images that were removed from datasets when the entry was made."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=TakedownKind.values), name="takedown_kind"),
            models.CheckConstraint(
                condition=models.Q(kind=TakedownKind.NEAR, distance_bits__isnull=False, distance_bits__lte=16)
                | (~models.Q(kind=TakedownKind.NEAR) & models.Q(distance_bits__isnull=True)),
                name="takedown_distance_if_near",
            ),
        ]
        indexes = [models.Index(fields=["kind", "id"], name="takedown_by_kind")]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"
