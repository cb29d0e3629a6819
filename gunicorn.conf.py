"""What every gunicorn of PixCrawler shares, whoever starts it in this folder: its log is PixCrawler's log, and its
workers share the memory of what is loaded.
"""

import gc
import os
from logging.config import dictConfig
from typing import Any

from django.conf import settings
from django.urls import resolve

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pixcrawler.settings")
dictConfig(settings.LOGGING)

logger_class = "pixcrawler.gunicorn_log.GunicornLogger"
#: The application is loaded once, and the workers are forked from it.
preload_app = True


def when_ready(_server: Any) -> None:
    """Loads what the first request would, and has Python never look through it for garbage: whoever does that writes to
    all of it, and shares its pages with nobody any more.
    """
    resolve("/healthz")
    gc.freeze()
