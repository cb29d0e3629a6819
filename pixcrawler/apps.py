import logging
import sys

from django.apps import AppConfig
from django.conf import settings

import pixcrawler.celery  # makes the application that shared tasks belong to
import pixcrawler.checks  # noqa: F401  registers the system checks
from pixcrawler.logs import JSON, log_uncaught


class PixCrawlerConfig(AppConfig):
    name = "pixcrawler"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """What would be written past the log becomes a line of it, where programs read the log."""
        if settings.LOG_FORMAT == JSON:
            logging.captureWarnings(capture=True)
            sys.excepthook = log_uncaught
