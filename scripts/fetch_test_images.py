"""Gets the test images of Pillow's own sources, in the version that is locked, and prints their folder.

    .venv/bin/python scripts/fetch_test_images.py FOLDER

They are no part of a wheel: pip downloads the source distribution (47 MB) from the registry that it is set up for.
"""

import re
import subprocess
import sys
import tarfile
from pathlib import Path

_LOCK = Path(__file__).parent.parent / "requirements" / "base.txt"


def main(target: Path) -> int:
    found = re.search(r"^pillow==([0-9.]+)", _LOCK.read_text(), re.MULTILINE)
    if found is None:
        print(f"{_LOCK} names no version of Pillow.", file=sys.stderr)
        return 2
    images = target / f"pillow-{found[1]}" / "Tests" / "images"
    if not images.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "pillow",
             f"pillow=={found[1]}", "--dest", str(target)],
            check=True,
        )  # fmt: skip
        with tarfile.open(target / f"pillow-{found[1]}.tar.gz") as archive:
            wanted = [member for member in archive if "/Tests/images/" in member.name]
            archive.extractall(target, members=wanted, filter="data")
    print(images)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
