"""What every gunicorn of PixCrawler shares, whoever starts it in this folder: its log is PixCrawler's log."""

import os
from logging.config import dictConfig

from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pixcrawler.settings")
dictConfig(settings.LOGGING)

logger_class = "pixcrawler.gunicorn_log.GunicornLogger"
