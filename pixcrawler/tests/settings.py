"""The settings of the test suite: the real ones, in a data folder and on a Valkey of the run's own.

Processes that tests start (workers, web) read the same environment, and reach the same database by `TEST_DATABASE_URL`.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_data_dir = Path(tempfile.mkdtemp(prefix="pixtest-"))
atexit.register(shutil.rmtree, _data_dir, ignore_errors=True)

(_data_dir / "static").mkdir()

os.environ["PIXCRAWLER_DATA_DIR"] = str(_data_dir)
os.environ["CELERY_BROKER_URL"] = f"redis+socket://{_data_dir}/valkey.sock?virtual_host=1"
os.environ["CELERY_RESULT_BACKEND"] = ""
os.environ["PIXCRAWLER_SAMPLE_DELAY_S"] = "0"
os.environ["PIXCRAWLER_LEASE_S"] = "6"
os.environ["PIXCRAWLER_LOG_LEVEL"] = "WARNING"
os.environ["PIXCRAWLER_METRICS_TOKEN"] = "the-token-of-the-tests"

from pixcrawler.settings import *  # noqa: E402, F403
from pixcrawler.settings import DATABASES  # noqa: E402

# A file, not memory: worker processes use it too.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": str(_data_dir / "test.sqlite3")}

# Signing in is not what these tests measure.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
