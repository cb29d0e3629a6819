"""manage.py samplecrawl: begins the small crawl that quickstart shows on its first start."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandParser

from jobs.crawl_services import start_sample_crawl
from jobs.management.base import PixCrawlerCommand


class Command(PixCrawlerCommand):
    help = "Begins a small crawl of drawn pictures that needs no network."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", default="", help="Name of the user who is to own it (default: nobody).")

    def handle(self, *_args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first() if options["user"] else None
        job = start_sample_crawl(by=user)
        self.stdout.write(f"Job {job.pk} has begun: {job.dataset.name}.")
