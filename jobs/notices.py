"""Sends completion notices (jobs.notice_plan writes them): by the scheduler, each until it arrives or is given up.

A notice is at least once: an attempt is noted before it is made, so a process that is killed in between leaves a row
that is due again. Nothing is sent while a transaction is open. What is sent, and how it is signed: docs/notices.md.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Count, F, Q
from django.db.models.functions import Now

from jobs import activity, notice_mail, notice_webhook
from jobs.models import Level
from jobs.notice_models import Channel, Notice

log = logging.getLogger(__name__)

#: Seconds from a failed attempt to the next; after the last one it is given up, about nine hours after the job's end.
WAITS_S: Final = (10, 30, 120, 600, 1_800, 7_200, 21_600)

#: An attempt that was begun and never told of is made again after so long; longer than any attempt takes.
_ATTEMPT_S: Final = 90

#: Notices that one pass sends at most.
_PASS_SIZE: Final = 20

_OPEN: Final = Q(sent_at__isnull=True, given_up_at__isnull=True)

#: Where a notice stands that did not arrive.
STATES: Final[Mapping[str, Q]] = {"waiting": _OPEN, "given_up": Q(given_up_at__isnull=False)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt came to nothing, as a sentence; `is_final`: trying again as things are set cannot help."""

    sentence: str
    is_final: bool = False


Sender = Callable[[Notice], Failure | None]


def send_again(notice_ids: list[int]) -> int:
    """Makes notices due that were given up, with all their attempts before them; gives how many."""
    given_up = Notice.objects.filter(pk__in=notice_ids, given_up_at__isnull=False)
    return given_up.update(given_up_at=None, attempts=0, next_try_at=Now())


def counts() -> Mapping[tuple[str, str], int]:
    """Notices by (channel, state), along the indexes of the few that did not arrive."""
    told: Counter[tuple[str, str]] = Counter()
    for state, rows in STATES.items():
        numbers = Notice.objects.filter(rows).order_by().values("channel").annotate(number=Count("pk"))
        told.update({(channel, state): number for channel, number in numbers.values_list("channel", "number")})
    return told


_sending = threading.Lock()


def send_due_aside() -> None:
    """Lets a thread send what is due. For every pass of a scheduler: a receiver that hangs holds up no pass."""
    if not _sending.locked():
        threading.Thread(target=_send_and_close, name="notices", daemon=True).start()


def _send_and_close() -> None:
    try:
        send_due()
    except DatabaseError as error:
        log.warning("Notices wait: the database does not answer (%s).", error)
    finally:
        connection.close()


def send_due() -> int:
    """Sends what is due, one after the other; gives how many arrived.

    A receiver that fails is left alone for the rest of the pass, so that one that hangs costs one wait.
    """
    sent, failing = 0, set[str]()
    with _sending:
        due = Notice.objects.filter(_OPEN, next_try_at__lte=Now()).order_by("next_try_at")
        for notice in list(due.select_related("job", "job__dataset")[:_PASS_SIZE]):
            if notice.channel in failing or not _begin(notice):
                continue
            failure = _SENDERS[notice.channel](notice)
            _end(notice, failure)
            sent += failure is None
            if failure is not None and notice.channel == Channel.WEBHOOK:
                failing.add(notice.channel)
    return sent


def _begin(notice: Notice) -> bool:
    """Takes the notice for one attempt. False: another scheduler has it."""
    mine = Notice.objects.filter(_OPEN, pk=notice.pk, attempts=notice.attempts, next_try_at__lte=Now())
    later = Now() + timedelta(seconds=_ATTEMPT_S)
    return mine.update(attempts=F("attempts") + 1, next_try_at=later) == 1


def _end(notice: Notice, failure: Failure | None) -> None:
    """Writes what came of the attempt, and tells the job's reader what is worth telling."""
    number = notice.attempts + 1
    mine = Notice.objects.filter(_OPEN, pk=notice.pk, attempts=number)
    what = f"The completion notice by {notice.get_channel_display()}"
    with transaction.atomic():
        if failure is None:
            if mine.update(sent_at=Now(), last_answer="Delivered.") and number > 1:
                activity.log(notice.job_id, f"{what} was delivered at attempt {number}.")
            return
        if failure.is_final or number > len(WAITS_S):
            if mine.update(given_up_at=Now(), last_answer=failure.sentence):
                tail = "An administrator can send it again, on the page Notices of the admin."
                sentence = f"{what} was given up after attempt {number}: {failure.sentence} {tail}"
                activity.log(notice.job_id, sentence, level=Level.WARNING)
            return
        wait_s = WAITS_S[number - 1]
        if mine.update(next_try_at=Now() + timedelta(seconds=wait_s), last_answer=failure.sentence) and number == 1:
            sentence = f"{what} was not delivered and is tried again in {wait_s} s: {failure.sentence}"
            activity.log(notice.job_id, sentence, level=Level.WARNING)


def _by_webhook(notice: Notice) -> Failure | None:
    if not settings.WEBHOOK_URL:
        return Failure(sentence="PIXCRAWLER_WEBHOOK_URL is not set any more.", is_final=True)
    refused = notice_webhook.send(notice.body, uid=str(notice.uid))
    return None if refused is None else Failure(sentence=refused.sentence, is_final=refused.is_final)


def _by_mail(notice: Notice) -> Failure | None:
    if not settings.MAIL_IS_SET:
        return Failure(sentence="EMAIL_URL is not set any more.", is_final=True)
    trouble = notice_mail.send(notice.body, to=notice.recipient)
    return Failure(sentence=trouble) if trouble else None


_SENDERS: Final[Mapping[str, Sender]] = {Channel.WEBHOOK: _by_webhook, Channel.EMAIL: _by_mail}
