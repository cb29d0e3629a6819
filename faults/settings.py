"""The settings of the processes that fault tests start: the real ones, on a media folder that can be made to fail."""

from pixcrawler.settings import *  # noqa: F403
from pixcrawler.settings import MEDIA_ROOT

STORAGES = {
    "default": {"BACKEND": "faults.storage.FaultyStorage", "OPTIONS": {"location": MEDIA_ROOT}},
    # Nobody collects static files for them.
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
