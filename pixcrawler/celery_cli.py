"""Turns a management command into Celery's own program, so that signals and exit status are Celery's."""

import os
import subprocess
import sys
from typing import NoReturn

from django.conf import settings


def become_celery(*arguments: str) -> NoReturn:
    """Replaces this process by `celery -A pixcrawler …`."""
    argv = [sys.executable, "-m", "celery", "-A", "pixcrawler", *arguments]
    os.chdir(settings.BASE_DIR)
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform == "win32":
        # There exec would leave the caller while the new process goes on.
        sys.exit(subprocess.call(argv))
    os.execv(sys.executable, argv)  # noqa: S606
