"""The settings of measurements: the real ones, in a data folder and on a Valkey of the run's own.

The processes that a measurement starts read the same environment. DATABASE_URL names the database, which should be
empty; unset: SQLite in the data folder.
"""

import os
import tempfile
from pathlib import Path

DATA_FOLDER = Path(tempfile.mkdtemp(prefix="pixbench-"))
VALKEY_SOCKET = DATA_FOLDER / "bench-valkey.sock"

os.environ["PIXCRAWLER_DATA_DIR"] = str(DATA_FOLDER)
# Even empty it is set: a database that .env names is no place for measurements.
os.environ.setdefault("DATABASE_URL", "")
os.environ["CELERY_BROKER_URL"] = f"redis+socket://{VALKEY_SOCKET}?virtual_host=1"
os.environ["CELERY_RESULT_BACKEND"] = ""
os.environ.setdefault("PIXCRAWLER_LOG_LEVEL", "ERROR")

from pixcrawler.settings import *  # noqa: E402, F403

INSTALLED_APPS += ["bench"]  # noqa: F405

if DATABASES["default"]["ENGINE"].endswith("postgresql"):  # noqa: F405
    # Rows for a measurement are made by long statements, on machines that may be busy.
    DATABASES["default"]["OPTIONS"].pop("options", None)  # noqa: F405
