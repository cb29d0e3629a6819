"""manage.py sweeporphans, and the setting that it goes by."""

import os
from pathlib import Path

import pytest

from datasets.tests.pictures import encoded, noisy, sha256
from pixcrawler.tests.processes import manage, run

pytestmark = pytest.mark.django_db(transaction=True)

BODY = encoded(noisy(40, 30, seed=6))
LONG_AGO_S = 1_000_000_000


def test_the_command_makes_a_whole_pass(process_environment: dict[str, str], tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    environment = {**process_environment, "PIXCRAWLER_DATA_DIR": str(data_dir)}
    original = data_dir / "media" / "originals" / sha256(BODY)[:2] / f"{sha256(BODY)}.jpg"
    original.parent.mkdir(parents=True)
    original.write_bytes(BODY)
    os.utime(original, (LONG_AGO_S, LONG_AGO_S))

    looked = run(manage("sweeporphans", "--dry-run"), env=environment)
    swept = run(manage("sweeporphans", "--json"), env=environment)

    assert looked.stdout == f"Would remove 1 files that no image names and 0 unfinished ones, {len(BODY):,} bytes.\n"
    assert swept.stdout == f'{{"orphans": 1, "unfinished": 0, "size_bytes": {len(BODY)}}}\n'
    assert not original.exists()


def test_a_grace_time_below_the_task_time_limit_is_refused(process_environment: dict[str, str]) -> None:
    ended = run(manage("check"), env={**process_environment, "PIXCRAWLER_ORPHAN_GRACE_S": "900"})

    assert ended.returncode == 1
    assert ended.stderr.startswith("PIXCRAWLER_ORPHAN_GRACE_S is set to 900, but it has to be above 900")
