"""Makes .venv and installs one set of locked packages: `python3 scripts/bootstrap.py run|test|dev`.

Needs the standard library alone, and is written so that Python 3.6 can still read it: an interpreter that is too old
must get as far as saying so. Annotations that newer Pythons alone understand stand in quotes for that reason.
"""

import errno
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parent.parent
VENV = PROJECT_DIR / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
#: There while pip works in .venv; one that is left over means that the installation was cut off.
UNFINISHED = VENV / "setup-unfinished"

OLDEST = (3, 11)
CANDIDATES = ("python3", "python3.13", "python3.12", "python3.11", "python")

#: What each set installs; a later set contains the ones before it.
SETS = {"run": ("base",), "test": ("base", "test"), "dev": ("base", "test", "dev")}

DISK_FULL = "the disk is full. Free some space (about 1 GB is needed)"
#: With less than this left, a failure is put down to the disk: its log may not have fitted either.
SCANT_BYTES = 20_000_000

#: The causes that pip's log tells apart: words to look for, and what to say.
PIP_TROUBLE = (
    (("No space left on device", "Errno 28"), DISK_FULL),
    (("DO NOT MATCH THE HASHES",), "a package is not the one that was locked. Do not use it; tell the maintainers"),
    (("Permission denied", "Errno 13"), "a file could not be written. Give your user write permission to the folder"),
    (
        ("NewConnectionError", "Connection refused", "name resolution", "ConnectTimeout", "Network is unreachable",
         "ProxyError", "Could not fetch URL", "Name or service not known", "ReadTimeoutError"),
        "no package index is reachable. Connect to the internet, or name a mirror with PIP_INDEX_URL",
    ),
    (
        ("No matching distribution", "Could not find a version"),
        "the package index has no fitting file for a package. Use an index that is complete (PIP_INDEX_URL) and "
        "a Python from 3.11 to 3.13",
    ),
)  # fmt: skip


class SetupError(Exception):
    """Setting up cannot go on; the message says why and what to do."""


def main(arguments: "list[str]") -> int:
    try:
        if len(arguments) != 1 or arguments[0] not in SETS:
            raise SetupError("Say which set to install: " + ", ".join(SETS) + ".")
        set_up(arguments[0])
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{explained(error)}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. Run the same command again to go on.\n")
        return 130
    return 0


def set_up(name: str) -> None:
    """Brings .venv to the state that the locks of the set describe; returns at once where it has it already."""
    log = data_dir() / "setup.log"
    if not venv_is_whole():
        make_venv(log)
    if stamp_file(name).is_file() and stamp_file(name).read_text() == stamp(name):
        return
    install(name, log)
    for contained in list(SETS)[: list(SETS).index(name) + 1]:
        stamp_file(contained).write_text(stamp(contained))


def data_dir() -> Path:
    folder = PROJECT_DIR / Path(os.environ.get("PIXCRAWLER_DATA_DIR") or "var").expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def venv_is_whole() -> bool:
    """Whether .venv has a working, new enough Python with pip, and no installation in it was cut off."""
    if UNFINISHED.exists() or not VENV_PYTHON.exists():
        return False
    code = "import sys, importlib.util as u; sys.exit(sys.version_info < %r or not u.find_spec('pip'))" % (OLDEST,)  # noqa: UP031
    return succeeds([str(VENV_PYTHON), "-c", code])


def make_venv(log: Path) -> None:
    python, version = find_python()
    say(f"Making .venv with Python {version} …")
    if run_logged([python, "-m", "venv", "--clear", str(VENV)], log, mode="wb") != 0:
        raise SetupError(f".venv could not be made: {cause(log)}, then run the command again. Details: {log}")


def find_python() -> "tuple[str, str]":
    """The command and the version of the first Python that will do. Raises SetupError, naming what is missing."""
    asked_for = os.environ.get("PYTHON")
    too_old, without_venv = [], []
    for command in (asked_for,) if asked_for else (sys.executable, *CANDIDATES):
        version = version_of(command)
        if version and tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
            too_old.append(version)
        elif version and not succeeds([command, "-c", "import venv, ensurepip"]):
            without_venv.append(version)
        elif version:
            return command, version
    if without_venv:
        minor = ".".join(without_venv[0].split(".")[:2])
        raise SetupError(
            f"Python {without_venv[0]} has no venv module. Install it (Debian, Ubuntu: sudo apt install "
            f"python{minor}-venv, or python3-venv) and run the command again."
        )
    found = f"Python {too_old[0]} is too old" if too_old else f"{asked_for or 'Python'} does not run"
    raise SetupError(
        f"{found}: PixCrawler needs Python 3.11 or newer. Install it (Debian, Ubuntu: sudo apt install python3.11 "
        "python3.11-venv), or name one: PYTHON=/path/to/python3.11 make run"
    )


def version_of(command: str) -> str:
    """ "3.11.7", or nothing where the command does not run."""
    code = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
    try:
        return subprocess.check_output([command, "-c", code], stderr=subprocess.DEVNULL).decode().strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def install(name: str, log: Path) -> None:
    say(f"Installing the packages (some minutes on a first start; pip's own words go to {log}) …")
    # Not into the user's own packages, where a setting of pip asks for that.
    options = ["--require-hashes", "--no-user", "--no-input", "--disable-pip-version-check"]
    command = [str(VENV_PYTHON), "-m", "pip", "install", *options]
    for lock in SETS[name]:
        command += ["-r", str(lock_file(lock))]
    UNFINISHED.touch()
    if run_logged(command, log, mode="ab") == 0:
        UNFINISHED.unlink()
        return
    if "Installing collected packages" not in log_text(log):
        # pip changes nothing before it has everything: what was there still works.
        UNFINISHED.unlink()
    raise SetupError(
        f"The packages could not be installed: {cause(log)}, then run the command again. pip's own words: {log}"
    )


def cause(log: Path) -> str:
    """What a failed command says of itself, as the middle of a sentence."""
    if shutil.disk_usage(str(PROJECT_DIR)).free < SCANT_BYTES:
        return DISK_FULL
    text = log_text(log)
    for words, meaning in PIP_TROUBLE:
        if any(word in text for word in words):
            return meaning
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[-1] if lines else "it says nothing of why") + ". Look into the log"


def explained(error: OSError) -> str:
    where = error.filename or PROJECT_DIR
    if error.errno == errno.ENOSPC:
        return f"The disk is full at {where}. Free some space (about 1 GB is needed) and run the command again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{where} cannot be written. Give your user write permission to the folder and run the command again."
    return f"{where}: {error.strerror}. Mend this and run the command again."


def stamp_file(name: str) -> Path:
    return VENV / f"setup-{name}.stamp"


def stamp(name: str) -> str:
    """Names the exact content of the locks of a set."""
    digest = hashlib.sha256()
    for lock in SETS[name]:
        digest.update(lock_file(lock).read_bytes())
    return digest.hexdigest()


def lock_file(lock: str) -> Path:
    return PROJECT_DIR / "requirements" / f"{lock}.txt"


def run_logged(command: "list[str]", log: Path, mode: str) -> int:
    with log.open(mode) as output:
        return subprocess.call(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)


def log_text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


def succeeds(command: "list[str]") -> bool:
    try:
        return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
