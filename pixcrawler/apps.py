from django.apps import AppConfig

import pixcrawler.celery  # makes the application that shared tasks belong to
import pixcrawler.checks  # noqa: F401  registers the system checks


class PixCrawlerConfig(AppConfig):
    name = "pixcrawler"
    default_auto_field = "django.db.models.BigAutoField"
