"""What users can set or meet is documented, all of it."""

import re
import shlex

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class

from datasets.imaging.checks import CHECKS, Check, Direction
from datasets.outcomes import RETRYABLE, Reason, outcome_of
from jobs.crawl.sources.registry import SOURCE_INFOS
from pixcrawler.env import VARIABLES

_APPS = ("pixcrawler", "jobs", "datasets")


def _text(name: str) -> str:
    return (settings.BASE_DIR / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_every_setting_is_in_the_documentation_and_the_example(variable: object) -> None:
    name, default = getattr(variable, "name"), getattr(variable, "default")  # noqa: B009
    assert f"| `{name}` |" in _text("docs/configuration.md")
    assert f"#{name}={default}\n" in _text(".env.example")


def test_no_module_reads_the_environment_behind_the_tables_back() -> None:
    readers = [
        str(path)
        for app in _APPS
        for path in (settings.BASE_DIR / app).rglob("*.py")
        if "tests" not in path.parts and re.search(r"os\.(getenv|environ\.get)\(", path.read_text(encoding="utf-8"))
    ]
    assert readers == []


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_explained_with_its_outcome_and_whether_a_retry_helps(reason: Reason) -> None:
    section = next(part for part in _text("docs/outcomes.md").split("\n## ") if f"| `{reason}` |" in part)
    row = next(line for line in section.splitlines() if line.startswith(f"| `{reason}` |"))

    assert row.endswith("| yes |" if reason in RETRYABLE else "| no |")
    assert outcome_of(reason).value in section.splitlines()[0] or outcome_of(reason).value in row


@pytest.mark.parametrize("check", list(Check))
def test_every_quality_check_is_explained_with_its_default(check: Check) -> None:
    info = CHECKS[check]
    flagged = {Direction.BELOW: "score below", Direction.OUTSIDE: "outside", Direction.PRESENT: "has it"}[
        info.direction
    ]
    default = "" if info.threshold is None else f"{info.threshold:g} "
    row = f"| `{check}` | {info.title} | {info.meaning} | {flagged} | {default}|\n"

    assert row in _text("docs/quality.md")
    assert f"\n- `{check}`: " in _text("docs/quality.md")


@pytest.mark.parametrize("name", [name for name, app in get_commands().items() if app in _APPS])
def test_every_command_is_documented(name: str) -> None:
    assert f"manage.py {name}" in _text("README.md") + _text("CONTRIBUTING.md")


@pytest.mark.parametrize("name", list(SOURCE_INFOS))
def test_every_source_is_documented(name: str) -> None:
    assert f"`{name}`" in _text("README.md")


def _commands_of_operations() -> list[str]:
    """Each "manage.py …" of the page, in the text and on lines of its own."""
    text = _text("docs/operations.md")
    found = re.findall(r"`manage\.py ([^`]+)`", text) + re.findall(r"^ {4}.*manage\.py (.+)$", text, re.M)
    return sorted({" ".join(command.split()) for command in found})


@pytest.mark.parametrize("command", _commands_of_operations())
def test_every_command_of_operations_exists_with_its_options(command: str) -> None:
    name, *arguments = shlex.split(command)
    built = load_command_class(get_commands()[name], name)

    # Raises CommandError for an option that there is not.
    built.create_parser("manage.py", name).parse_args(arguments)


def test_operations_names_the_settings_and_targets_that_there_are() -> None:
    text = _text("docs/operations.md")
    ours = set(re.findall(r"`(PIXCRAWLER_\w+|SECRET_KEY\w*|DATABASE_URL|CELERY_BROKER_URL)", text))
    assert ours <= {variable.name for variable in VARIABLES}
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= set(re.findall(r"^([a-z-]+):", _text("Makefile"), re.M))
    assert len(_commands_of_operations()) > 15


def test_every_statement_about_the_pages_has_tests_that_are_there() -> None:
    rows = re.findall(r"^\| (\d+) \| .* \| (`.*`) \|$", _text("docs/browser-checks.md"), re.M)
    assert [int(number) for number, _ in rows] == list(range(1, 41))
    folder = settings.BASE_DIR / "pixcrawler" / "tests" / "browser"
    written = {
        name for path in folder.glob("test_*.py") for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    }
    named = {name for _, tests in rows for name in re.findall(r"`(test_\w+)`", tests)}
    assert named <= written
