"""Asks pip-audit whether the locked packages have known faults, and says honestly where it could not ask.

    .venv/bin/python scripts/audit.py

Exit status: 0 no known fault, or nobody could be asked (the last line says which); 1 known faults; 2 pip-audit broke.
"""

import json
import subprocess
import sys
from pathlib import Path

_LOCKS = sorted(Path(__file__).parent.parent.joinpath("requirements").glob("*.txt"))
_TIMEOUT_S = 300


def audit(lock: Path) -> tuple[int, int, list[str]]:
    """Packages that were looked up, packages that could not be, and what is known against the first ones.

    Raises ValueError where pip-audit did not answer in its own format.
    """
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "-r", str(lock), "-f", "json",
               "--progress-spinner", "off"]  # fmt: skip
    answer = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    try:
        packages = json.loads(answer.stdout)["dependencies"]
    except (ValueError, KeyError):
        raise ValueError(answer.stderr.strip().splitlines()[-1] if answer.stderr.strip() else "no answer") from None
    faults = [
        f"{lock.name}: {package['name']} {package['version']}: {fault['id']}, "
        f"mended in {', '.join(fault['fix_versions']) or 'no version yet'}"
        for package in packages
        for fault in package.get("vulns", ())
    ]
    skipped = sum("skip_reason" in package for package in packages)
    return len(packages) - skipped, skipped, faults


def main() -> int:
    asked, unasked = 0, 0
    faults: list[str] = []
    troubles: list[str] = []
    for lock in _LOCKS:
        try:
            looked_up, skipped, found = audit(lock)
        except (ValueError, subprocess.TimeoutExpired) as error:
            troubles.append(f"{lock.name}: {error}")
            continue
        asked, unasked, faults = asked + looked_up, unasked + skipped, faults + found
    for line in (*faults, *troubles):
        print(line)
    if faults:
        print(f"{len(faults)} known faults. Raise the packages in requirements/*.in, then: make lock")
        return 1
    if asked == 0:
        print("NOT AUDITED: the advisory database could not be reached from here. Run `make audit` where it can.")
        return 0
    unknown = f"; {unasked} could not be looked up" if unasked else ""
    print(f"{asked} locked packages looked up, no known fault{unknown}.")
    return 2 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
