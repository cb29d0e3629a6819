"""imagededup's pHashes and cleanvision's checks of a folder: `run_checks.py FOLDER REPORT`.

Both as their own pages show them, with a process per core. The report is JSON: when the first began and the second
ended (seconds of time.time()), and how many pictures each has looked at.
"""

import importlib.util
import json
import sys
import time
import types
from pathlib import Path


def _without_loading(*packages: str) -> None:
    """Lets modules of the packages be imported though what the packages themselves load is not there."""
    for name in packages:
        spec = importlib.util.find_spec(name)
        package = types.ModuleType(name)
        package.__path__ = list((spec and spec.submodule_search_locations) or ())
        sys.modules[name] = package


# Two packages of imagededup load PyTorch for its neural network, which no hash needs.
_without_loading("imagededup.methods", "imagededup.utils")

from cleanvision import Imagelab  # noqa: E402
from imagededup.methods.hashing import PHash  # noqa: E402


def main(folder: str, report: str) -> None:
    started_at = time.time()
    hashes = PHash().encode_images(image_dir=folder)
    lab = Imagelab(data_path=folder)
    lab.find_issues()
    told = {"started_at": started_at, "ended_at": time.time(), "hashed": len(hashes), "checked": len(lab.issues)}
    Path(report).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
