"""manage.py createtoken: a personal token for the API."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser

from jobs.management.base import EXIT_ARGUMENTS, PixCrawlerCommand
from jobs.token_models import Scope
from jobs.tokens import InvalidToken, create_token


class Command(PixCrawlerCommand):
    help = "Makes a personal token for the API and prints it, for the only time."
    epilog = """
example:
  TOKEN=$(manage.py createtoken admin --name laptop --scope write --days 90)
  curl -H "Authorization: Bearer $TOKEN" http://localhost:8000/api/v1/jobs/1
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="USER", help="The user's name.")
        parser.add_argument(
            "--name", required=True, metavar="NAME", help="What the token is for, to tell it from others."
        )
        parser.add_argument(
            "--scope", default=Scope.READ, choices=Scope.values, help="What it is good for: read (default) or write."
        )
        parser.add_argument(
            "--days", type=int, metavar="N", help="Days that it is good for; without: it never expires."
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        user = get_user_model().objects.filter(username=options["user"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user “{options['user']}”.", returncode=EXIT_ARGUMENTS)
        try:
            self.stdout.write(create_token(user, options["name"], scope=options["scope"], days=options["days"]))
        except InvalidToken as error:
            raise CommandError(str(error), returncode=EXIT_ARGUMENTS) from None
