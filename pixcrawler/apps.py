from django.apps import AppConfig

import pixcrawler.celery  # noqa: F401  makes the application that shared tasks belong to


class PixCrawlerConfig(AppConfig):
    name = "pixcrawler"
    default_auto_field = "django.db.models.BigAutoField"
