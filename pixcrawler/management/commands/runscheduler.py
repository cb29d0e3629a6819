"""manage.py runscheduler: the loop that puts right what a fault left behind. Two of them at once do no harm."""

import logging
import signal
import sys
import time
from types import FrameType
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import CommandParser
from django.db import close_old_connections, connection

from jobs import doorbell, notices
from jobs.banners import note_findings_aside
from jobs.management.base import DatabaseTrouble, PixCrawlerCommand, first_line
from jobs.scheduler import sweep
from pixcrawler import broker
from pixcrawler.alive import note_alive
from pixcrawler.checks import REDIS_TAG, SETTINGS_TAG
from pixcrawler.logged_checks import ServiceCommand

log = logging.getLogger("pixcrawler.scheduler")


class Command(ServiceCommand, PixCrawlerCommand):
    help = "Sends again what no worker got, and takes back what a silent worker held, every few seconds."
    requires_system_checks = [SETTINGS_TAG]
    is_service = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="Make one pass, say what it did, and end.")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["once"]:
            self.stdout.write(str(sweep()))
            notices.send_due()
            return
        if not options["skip_checks"]:
            self.check(tags=[REDIS_TAG], databases=["default"])
        signal.signal(signal.SIGTERM, _leave)
        signal.signal(signal.SIGINT, _leave)
        log.info("The scheduler makes a pass every %g s.", settings.SCHEDULER_INTERVAL_S)
        database = _Neighbour("The database")
        redis = _Neighbour(f"Redis at {broker.described(settings.CELERY_BROKER_URL)}")
        while True:
            _make_pass(database, redis)
            note_alive()
            time.sleep(settings.SCHEDULER_INTERVAL_S)


class _Neighbour:
    """Something that a pass needs; says so once when it goes away and once when it is back."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._away = False

    def seen(self) -> None:
        if self._away:
            log.info("%s is back; the scheduler goes on.", self._name)
        self._away = False

    def missed(self, why: str) -> None:
        if not self._away:
            log.warning("%s is out of reach (%s). Nothing is lost; the scheduler keeps trying.", self._name, why)
        self._away = True


def _make_pass(database: _Neighbour, redis: _Neighbour) -> None:
    close_old_connections()
    if doorbell.queue_reachable():
        redis.seen()
    else:
        redis.missed("it does not answer")
    note_findings_aside()
    notices.send_due_aside()
    try:
        report = sweep()
    except DatabaseTrouble as error:
        database.missed(first_line(error))
        connection.close()
        return
    database.seen()
    if report:
        log.info("%s", report)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    # A pass that is cut off is as harmless as one that a power cut ends: the next one repeats it.
    sys.exit(0)
