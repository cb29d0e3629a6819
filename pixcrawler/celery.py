"""The Celery application: `celery -A pixcrawler worker`, or better `manage.py runworker`."""

import os

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pixcrawler.settings")
# SIGTERM means: hand the chunk back and leave, not: wait for the end of the running task.
os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")

# The backend is named here because Celery would else take the plain address out of CELERY_RESULT_BACKEND.
app = Celery("pixcrawler", backend=settings.CELERY_RESULT_BACKEND)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["jobs"])
