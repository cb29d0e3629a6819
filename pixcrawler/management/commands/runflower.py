"""manage.py runflower: Flower, which shows workers and messages in the browser."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from pixcrawler.celery_cli import become_celery


class Command(BaseCommand):
    help = "Starts Flower, the page that shows workers and messages. It has no login: keep it on this machine."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=5555, help="Port to listen on (default: 5555).")
        parser.add_argument("--address", default="127.0.0.1", help="Address to listen on (default: 127.0.0.1).")

    def handle(self, *_args: Any, **options: Any) -> None:
        become_celery("flower", f"--port={options['port']}", f"--address={options['address']}")
