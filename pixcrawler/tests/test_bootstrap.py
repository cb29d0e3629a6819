"""scripts/bootstrap.py in a project folder of its own, with the troubles that a new machine can have."""

import ast
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from pixcrawler.tests.processes import free_port

SCRIPT = Path(settings.BASE_DIR) / "scripts" / "bootstrap.py"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose base set is empty, so that installing it needs no network."""
    folder = tmp_path / "project"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPT, folder / "scripts")
    (folder / "requirements").mkdir()
    (folder / "requirements" / "base.txt").write_text("# nothing\n")
    (folder / "requirements" / "test.txt").write_text("nothing-of-that-name==1.0 --hash=sha256:" + "0" * 64 + "\n")
    return folder


def bootstrap(project: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """One run of the script, with no package index but a closed port of this machine."""
    index = f"http://127.0.0.1:{free_port()}/simple"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PIXCRAWLER_"))}
    pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index, "PIP_RETRIES": "1", "PIP_NO_CACHE_DIR": "1"}
    return subprocess.run(
        [sys.executable, str(project / "scripts" / "bootstrap.py"), *arguments],
        env={**clean, **pip, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def fake_python(folder: Path, *, version: str, has_venv: bool) -> str:
    """An interpreter that answers what bootstrap asks: its version, and whether venv can be imported."""
    program = folder / "python-fake"
    program.write_text(
        "#!/bin/sh\n"
        f'case "$2" in *version_info*) echo {version};; *venv*) exit {0 if has_venv else 1};; *) exit 64;; esac\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


def only_line(result: "subprocess.CompletedProcess[str]") -> str:
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    return result.stderr


def test_the_script_can_be_read_by_an_old_python() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 6))
    evaluated = [
        node for node in ast.walk(ast.parse(SCRIPT.read_text())) if isinstance(node, ast.arg | ast.FunctionDef)
    ]
    annotations = [node.returns if isinstance(node, ast.FunctionDef) else node.annotation for node in evaluated]
    assert all(isinstance(node, ast.Name | ast.Constant | None) for node in annotations)


def test_a_python_that_is_too_old_is_named(project: Path, tmp_path: Path) -> None:
    old = fake_python(tmp_path, version="3.9.2", has_venv=True)
    sentence = only_line(bootstrap(project, "run", PYTHON=old))
    assert "Python 3.9.2 is too old: PixCrawler needs Python 3.11 or newer." in sentence
    assert "sudo apt install python3.11" in sentence


def test_a_python_without_venv_names_the_package_to_install(project: Path, tmp_path: Path) -> None:
    bare = fake_python(tmp_path, version="3.12.4", has_venv=False)
    sentence = only_line(bootstrap(project, "run", PYTHON=bare))
    assert "Python 3.12.4 has no venv module." in sentence
    assert "python3.12-venv" in sentence


def test_an_interpreter_that_does_not_run_is_named(project: Path) -> None:
    assert "/no/such/python does not run" in only_line(bootstrap(project, "run", PYTHON="/no/such/python"))


def test_without_a_package_index_it_says_so_and_keeps_what_works(project: Path) -> None:
    assert bootstrap(project, "run").returncode == 0
    sentence = only_line(bootstrap(project, "test"))
    assert "no package index is reachable" in sentence
    assert str(project / "var" / "setup.log") in sentence
    again = bootstrap(project, "run")
    assert (again.returncode, again.stdout) == (0, "")


def test_a_second_run_does_nothing_until_the_lock_changes(project: Path) -> None:
    first = bootstrap(project, "run", HOME="/no/such/home")
    assert first.returncode == 0
    assert "Making .venv" in first.stdout
    assert bootstrap(project, "run").stdout == ""
    (project / "requirements" / "base.txt").write_text("# nothing, but another nothing\n")
    changed = bootstrap(project, "run")
    assert "Installing" in changed.stdout
    assert "Making .venv" not in changed.stdout


def test_a_venv_that_was_cut_off_is_made_anew(project: Path) -> None:
    (project / ".venv" / "bin").mkdir(parents=True)
    (project / ".venv" / "bin" / "python").write_text("")
    (project / ".venv" / "left-over").write_text("")
    assert bootstrap(project, "run").returncode == 0
    assert not (project / ".venv" / "left-over").exists()
    (project / ".venv" / "setup-unfinished").touch()
    assert "Making .venv" in bootstrap(project, "run").stdout


def test_a_data_folder_that_cannot_be_made_is_named(project: Path) -> None:
    (project / "var").write_text("a file")
    assert str(project / "var") in only_line(bootstrap(project, "run"))
