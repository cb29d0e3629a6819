"""The mail of completion notices: a short text, sent by the server of EMAIL_URL."""

import smtplib
from typing import Any, Final

from django.core.mail import EmailMessage

from jobs.models import Kind
from jobs.words import STATUS_WORDS

_LEDGER: Final = ("found", "kept", "duplicate", "rejected", "failed", "skipped")


def send(said: dict[str, Any], *, to: str) -> str:
    """Sends a notice; gives "" when the server took it, else why not, as a sentence."""
    subject, text = message(said)
    try:
        EmailMessage(subject=subject, body=text, to=[to]).send()
    except smtplib.SMTPResponseException as error:
        words = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return f"The mail server refused it ({error.smtp_code} {words}). Check EMAIL_URL and PIXCRAWLER_MAIL_FROM."
    except smtplib.SMTPRecipientsRefused:
        return f"The mail server does not take mail for {to}. Correct the address of the account."
    except (smtplib.SMTPException, OSError) as error:
        return f"The mail server did not take it ({type(error).__name__}: {error}). Check EMAIL_URL and that it runs."
    return ""


def message(said: dict[str, Any]) -> tuple[str, str]:
    """Subject and text of a notice."""
    job, counters = said["job"], said["counters"]
    # A name with a line break would be refused as a header.
    name = " ".join(said["dataset"]["name"].split())
    subject = f"PixCrawler: {Kind(job['kind']).label} of {name} {STATUS_WORDS[said['status']].word.lower()}"
    lines = [
        said["summary"] or "The job has ended.",
        "",
        *(f"{word:>10}: {counters[word]:,}" for word in _LEDGER),
        "",
        f"Job {job['id']}: {said['link']}",
        "",
        "You get this mail because you started the job. Account, in PixCrawler, has the switch for it.",
    ]
    return subject, "\n".join(lines)
