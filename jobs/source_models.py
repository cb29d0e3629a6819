"""What operators entered for sources, and what must be known of sources after a restart of everything.

`jobs.source_keys` writes keys and terms, `jobs.source_health` the rest.
"""

from django.conf import settings
from django.db import models


class SourceKey(models.Model):
    """One key of a source, such as its token, encrypted. It is written and used, and never shown again."""

    source = models.CharField(max_length=40)
    name = models.CharField(max_length=40, help_text="Which of the source's keys, such as token.")
    sealed = models.TextField(editable=False)
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    set_by_name = models.CharField(max_length=150, blank=True, help_text="Empty: the command line.")
    set_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["source", "name"]
        constraints = [models.UniqueConstraint(fields=["source", "name"], name="source_key_once")]

    def __str__(self) -> str:
        return f"{self.source}: {self.name}"


class SourceTerms(models.Model):
    """Somebody confirmed that this installation may use a source under its terms. Without the row the source is off."""

    source = models.CharField(max_length=40, unique=True)
    terms_url = models.CharField(max_length=300, blank=True, help_text="Where the terms stood that were confirmed.")
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    confirmed_by_name = models.CharField(max_length=150, blank=True, help_text="Empty: the command line.")
    confirmed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["source"]
        verbose_name_plural = "source terms"

    def __str__(self) -> str:
        return f"Terms of {self.source}"


class SourceRecord(models.Model):
    """When a source last answered, and when and how it last failed: what Redis may have lost."""

    source = models.CharField(max_length=40, unique=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    last_failure_at = models.DateTimeField(null=True, blank=True)
    last_failure_kind = models.CharField(max_length=20, blank=True)
    last_failure = models.TextField(blank=True)

    class Meta:
        ordering = ["source"]

    def __str__(self) -> str:
        return self.source
