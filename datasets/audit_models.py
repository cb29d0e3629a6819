"""Who did what. `datasets.audit` writes these rows, and nobody changes them."""

from django.conf import settings
from django.db import models


class Verb(models.TextChoices):
    """What people do that others may ask about."""

    STARTED = "started"
    RETRIED = "retried"
    STEERED = "steered", "paused, resumed or topped up"
    CANCELLED = "cancelled"
    DECIDED = "decided"
    TOOK_BACK = "took_back", "took back"
    RULED = "ruled", "changed rules"
    SHARED = "shared"
    EXPORTED = "exported"
    DELETED = "deleted"


class AuditEntry(models.Model):
    """One act of somebody. Names are kept as they were: accounts, datasets and jobs may go, the entry stays."""

    at = models.DateTimeField(auto_now_add=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor_name = models.CharField(max_length=150, help_text="Empty: the command line.", blank=True)
    verb = models.CharField(max_length=10, choices=Verb)
    dataset_name = models.CharField(max_length=120, blank=True)
    job_id = models.PositiveBigIntegerField(null=True, blank=True)
    words = models.TextField()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        constraints = [models.CheckConstraint(condition=models.Q(verb__in=Verb.values), name="audit_verb")]
        indexes = [
            models.Index(fields=["actor_name", "-id"], name="audit_by_actor"),
            models.Index(fields=["verb", "-id"], name="audit_by_verb"),
        ]

    def __str__(self) -> str:
        return self.words
