"""manage.py runflower: Flower, which shows workers and messages in the browser."""

import ipaddress
import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from pixcrawler.celery_cli import become_celery


class Command(BaseCommand):
    help = (
        "Starts Flower, the page that shows workers and messages, behind the login of FLOWER_BASIC_AUTH. Without one "
        "it listens to this machine alone."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=5555, help="Port to listen on (default: 5555).")
        parser.add_argument("--address", default="127.0.0.1", help="Address to listen on (default: 127.0.0.1).")

    def handle(self, *_args: Any, **options: Any) -> None:
        login, address = settings.FLOWER_BASIC_AUTH, options["address"]
        if login:
            _check_login(login)
        elif not _stays_on_this_machine(address):
            raise CommandError(
                f"Flower would listen on {address} without a login: whoever reaches that address could look at all "
                "tasks and stop workers. Set FLOWER_BASIC_AUTH to name:password (or FLOWER_BASIC_AUTH_FILE to a file "
                "that holds it), or leave --address out."
            )
        else:
            self.stderr.write(
                "Flower has no login: whoever uses this machine may look at it. "
                "FLOWER_BASIC_AUTH=name:password sets one."
            )
        # By the environment: a command line is for everybody on the machine to read. An empty one would lock Flower up,
        # and with the file there would be two.
        os.environ.pop("FLOWER_BASIC_AUTH", None)
        os.environ.pop("FLOWER_BASIC_AUTH_FILE", None)
        become_celery(
            "flower",
            f"--port={options['port']}",
            f"--address={address}",
            environment={"FLOWER_BASIC_AUTH": login} if login else {},
        )


def _check_login(login: str) -> None:
    """Raises CommandError for what Flower would take and then let nobody in by, or anybody."""
    for pair in login.split(","):
        name, colon, password = pair.partition(":")
        if not (name and colon and password):
            raise CommandError(
                "FLOWER_BASIC_AUTH is not name:password (several are separated by commas). Write it like that; neither "
                "part may be empty."
            )


def _stays_on_this_machine(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
