"""Which completion notices a job's end calls for, and what they say. jobs.notices sends them."""

from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.urls import reverse

from jobs.models import Job
from jobs.notice_models import Channel, MailChoice, Notice

EVENT: Final = "job.ended"

_COUNTERS: Final = ("found", "kept", "duplicate", "rejected", "failed", "skipped", "size_bytes")


def plan(job_id: int) -> None:
    """Writes the notices of a job that has just ended, to be sent later. Runs in the transaction that ends it."""
    recipients = [(Channel.WEBHOOK, "")] if settings.WEBHOOK_URL else []
    if not recipients and not settings.MAIL_IS_SET:
        return
    job = Job.objects.select_related("dataset", "created_by").get(pk=job_id)
    if settings.MAIL_IS_SET and job.created_by and job.created_by.email and wants_mail(job.created_by):
        recipients.append((Channel.EMAIL, job.created_by.email))
    for channel, recipient in recipients:
        notice = Notice(job=job, run=job.run, channel=channel, recipient=recipient, next_try_at=Now())
        notice.body = _body(job, uid=str(notice.uid))
        notice.save(force_insert=True)


def wants_mail(user: User) -> bool:
    """What the user chose, else the installation's default."""
    chosen = MailChoice.objects.filter(user=user).values_list("job_ended", flat=True).first()
    return settings.MAIL_JOB_ENDED if chosen is None else chosen


def choose_mail(user: User, *, job_ended: bool) -> None:
    """Keeps what the user wants."""
    MailChoice.objects.update_or_create(user=user, defaults={"job_ended": job_ended})


def _body(job: Job, *, uid: str) -> dict[str, Any]:
    """What a notice says of a job that has ended."""
    return {
        "id": uid,
        "event": EVENT,
        "job": {
            "id": job.pk,
            "kind": job.kind,
            "run": job.run,
            "started_at": job.started_at.isoformat() if job.started_at else None,
            "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        },
        "dataset": {"name": job.dataset.name, "slug": job.dataset.slug},
        "status": job.status,
        "counters": {"wanted": job.wanted, **{name: getattr(job, name) for name in _COUNTERS}},
        "summary": job.summary,
        "link": settings.PUBLIC_URL + reverse("job", args=[job.pk]),
    }
