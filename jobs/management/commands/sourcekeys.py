"""manage.py sourcekeys: keys of sources, and the terms that were confirmed."""

import getpass
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from jobs import credentials, source_keys
from jobs.management.base import EXIT_ARGUMENTS, EXIT_FAILED, PixCrawlerCommand
from jobs.source_keys import InvalidKey


class Command(PixCrawlerCommand):
    help = "Lists which keys of sources are stored, and stores or removes one. A key itself is never printed."
    epilog = """
examples:
  manage.py sourcekeys
  manage.py sourcekeys --set openverse token            (asks for it, or reads it from a pipe)
  manage.py sourcekeys --remove openverse token
  manage.py sourcekeys --confirm-terms pexels
  manage.py sourcekeys --rotate                         (after SECRET_KEY was changed)

exit status:
  0  done
  1  --rotate: a key cannot be read
  2  wrong arguments
  3  database out of reach
"""

    def add_arguments(self, parser: CommandParser) -> None:
        one = parser.add_mutually_exclusive_group()
        one.add_argument("--set", nargs=2, metavar=("SOURCE", "KEY"), help="Store a key, in place of the one before.")
        one.add_argument("--remove", nargs=2, metavar=("SOURCE", "KEY"), help="Remove a stored key.")
        one.add_argument("--confirm-terms", metavar="SOURCE", help="You have read the source's terms and keep to them.")
        one.add_argument("--withdraw-terms", metavar="SOURCE", help="Turn a source off that needs its terms confirmed.")
        one.add_argument(
            "--rotate", action="store_true", help="Encrypt all keys anew with SECRET_KEY; see SECRET_KEY_FALLBACKS."
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            if options["set"]:
                self._set(*options["set"])
            elif options["remove"]:
                source_keys.remove_key(*options["remove"], by=None)
                self.stdout.write("Removed.")
            elif options["confirm_terms"]:
                self._confirm(options["confirm_terms"])
            elif options["withdraw_terms"]:
                source_keys.withdraw_terms(options["withdraw_terms"], by=None)
                self.stdout.write(f"{options['withdraw_terms']} is off.")
            elif options["rotate"]:
                self._rotate()
            else:
                self._list()
        except InvalidKey as error:
            raise CommandError(str(error), returncode=EXIT_ARGUMENTS) from None

    def _set(self, source: str, name: str) -> None:
        known = credentials.key_names()
        if (source, name) not in known:
            told = ", ".join(f"{a} {b}" for a, b in known)
            raise InvalidKey(f"The source {source} has no key “{name}”. There are: {told}.")
        # Never an argument: those are seen by whoever lists the machine's processes, and kept by shells.
        secret = getpass.getpass(f"{source} {name}: ") if sys.stdin.isatty() else sys.stdin.readline()
        source_keys.set_key(source, name, secret, by=None)
        self.stdout.write("Stored, encrypted.")

    def _confirm(self, source: str) -> None:
        terms = credentials.terms()
        if source not in terms:
            raise InvalidKey(f"The source {source} has no terms to confirm. There are: {', '.join(terms) or 'none'}.")
        source_keys.confirm_terms(source, terms_url=terms[source], by=None)
        self.stdout.write(f"Confirmed: {terms[source]}")

    def _rotate(self) -> None:
        done, lost = source_keys.reseal_all()
        self.stdout.write(f"{done} keys are encrypted with SECRET_KEY now.")
        if lost:
            raise CommandError(
                f"These cannot be read: {', '.join(lost)}. Put the SECRET_KEY of before into SECRET_KEY_FALLBACKS and "
                "try again, or enter them anew.",
                returncode=EXIT_FAILED,
            )

    def _list(self) -> None:
        for state in source_keys.states():
            unreadable = "" if state.is_readable else ", cannot be read: SECRET_KEY has changed"
            self.stdout.write(
                f"{state.source} {state.name}: set {state.set_at:%Y-%m-%d %H:%M} UTC by {state.set_by}{unreadable}"
            )
