"""Completion notices on their way: jobs.notices writes these rows, and nobody else."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q


class Channel(models.TextChoices):
    """How a notice travels."""

    WEBHOOK = "webhook"
    EMAIL = "email", "e-mail"


class Notice(models.Model):
    """One notice that a run of a job has ended, to one recipient.

    It is due at `next_try_at` until it was delivered (`sent_at`) or given up (`given_up_at`). `body` is frozen when
    the job ends, so that every attempt says the same; `uid` is the same in all of them.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    job = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, related_name="notices")
    run = models.PositiveIntegerField()
    channel = models.CharField(max_length=10, choices=Channel)
    recipient = models.CharField(
        max_length=254, blank=True, help_text="A mail address; empty for the webhook, whose address is a setting."
    )
    body = models.JSONField()
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()
    last_answer = models.TextField(blank=True, help_text="What came of the last attempt, as a sentence.")
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(channel__in=Channel.values), name="notice_channel"),
            models.CheckConstraint(
                condition=Q(sent_at__isnull=True) | Q(given_up_at__isnull=True), name="notice_sent_or_given_up"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                condition=Q(sent_at__isnull=True, given_up_at__isnull=True),
                name="notice_due",
            ),
            models.Index(fields=["given_up_at"], condition=Q(given_up_at__isnull=False), name="notice_given_up"),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} for job {self.job_id}"


class MailChoice(models.Model):
    """Whether somebody wants a mail when a job that they started has ended; without a row the default holds."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="mail_choice"
    )
    job_ended = models.BooleanField()

    def __str__(self) -> str:
        return f"{self.user_id}: {'yes' if self.job_ended else 'no'}"
