"""manage.py runworker: a Celery worker with the pool that fits the machine."""

import os
import sys
from typing import Any

from django.core.management.base import CommandParser

from pixcrawler.celery_cli import become_celery
from pixcrawler.checks import REDIS_TAG, SETTINGS_TAG
from pixcrawler.logged_checks import ServiceCommand


class Command(ServiceCommand):
    help = "Starts a worker: several processes at once (on Windows one). SIGTERM hands back what it is at and ends it."
    requires_system_checks = [SETTINGS_TAG]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--concurrency", type=int, metavar="N", help="Processes at once (default: one per CPU).")
        parser.add_argument("--queues", metavar="A,B", help="Queues to serve, separated by commas (default: all).")
        parser.add_argument("--loglevel", default="info", help="debug, info, warning or error (default: info).")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not options["skip_checks"]:
            self.check(tags=[REDIS_TAG], databases=["default"])
        pool = "solo" if sys.platform == "win32" else "prefork"
        # Several workers on one machine must not share a name; the process stays the same as it becomes Celery.
        name = f"--hostname=worker-{os.getpid()}@%h"
        arguments = ["worker", name, f"--loglevel={options['loglevel']}", f"--pool={pool}", "-E"]
        if options["concurrency"]:
            arguments.append(f"--concurrency={options['concurrency']}")
        if options["queues"]:
            arguments.append(f"--queues={options['queues']}")
        become_celery(*arguments)
