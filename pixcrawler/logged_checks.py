"""What system checks find when a service starts, as lines of its log where that is to be read by programs."""

import logging
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.management.base import BaseCommand, SystemCheckError

from pixcrawler.logs import JSON

log = logging.getLogger("pixcrawler.checks")


class ServiceCommand(BaseCommand):
    """A command that goes on running."""

    def check(self, *args: Any, **options: Any) -> None:
        """Raises SystemCheckError for an error, which the caller shows."""
        if settings.LOG_FORMAT != JSON:
            super().check(*args, **options)
            return
        found = checks.run_checks(tags=options.get("tags"), databases=options.get("databases"))
        for message in found:
            if not message.is_silenced():
                log.log(message.level, "%s: %s %s", message.id, message.msg, message.hint or "")
        if any(message.is_serious() and not message.is_silenced() for message in found):
            raise SystemCheckError("A system check found an error; the log says which.")
