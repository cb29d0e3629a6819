"""Turns a management command into Celery's own program, so that signals and exit status are Celery's."""

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import NoReturn

from django.conf import settings


def become_celery(*arguments: str, environment: Mapping[str, str] | None = None) -> NoReturn:
    """Replaces this process by `celery -A pixcrawler …`; `environment` is added to its own."""
    argv = [sys.executable, "-m", "celery", "-A", "pixcrawler", *arguments]
    os.chdir(settings.BASE_DIR)
    sys.stdout.flush()
    sys.stderr.flush()
    env = {**os.environ, **(environment or {})}
    if sys.platform == "win32":
        # There exec would leave the caller while the new process goes on.
        sys.exit(subprocess.call(argv, env=env))
    os.execve(sys.executable, argv, env)  # noqa: S606
