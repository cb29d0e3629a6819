"""The locks are not older than the newest releases that mend security faults (requirements/security_floors.toml)."""

import re
import tomllib
from pathlib import Path

import pytest
from django.conf import settings

_REQUIREMENTS = Path(settings.BASE_DIR) / "requirements"
_FLOORS = tomllib.loads((_REQUIREMENTS / "security_floors.toml").read_text())


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@pytest.mark.parametrize("name", sorted(_FLOORS))
def test_no_lock_is_older_than_the_newest_security_release(name: str) -> None:
    locked = {
        lock.name: found[1]
        for lock in sorted(_REQUIREMENTS.glob("*.txt"))
        if (found := re.search(rf"^{name}==([0-9.]+)", lock.read_text(), re.MULTILINE))
    }
    assert "base.txt" in locked
    for lock, version in locked.items():
        assert _numbers(version) >= _numbers(_FLOORS[name]["version"]), f"{lock} holds {name} {version}: make lock"
    assert {"released", "why", "source"} < set(_FLOORS[name])
