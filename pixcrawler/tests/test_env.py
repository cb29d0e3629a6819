"""Variables by file: what is secret stands in a file that the environment only names."""

import os
from pathlib import Path

import pytest

from pixcrawler import env
from pixcrawler.tests.processes import manage, run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secret"


def test_a_variable_may_be_given_as_a_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("ops@example.org\n")
    monkeypatch.setenv("PIXCRAWLER_CONTACT_FILE", str(file))

    assert env.text("PIXCRAWLER_CONTACT") == "ops@example.org"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file. Write the value into it, or unset PIXCRAWLER_CONTACT_FILE."),
        (b"", "which is empty. Write the value into it."),
        (b"\n", "which is empty"),
        (b"\xff\xfe\x00", "which cannot be read (it is no text)"),
    ],
)
def test_a_file_that_gives_nothing_is_named(
    content: bytes | None, said: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("PIXCRAWLER_CONTACT_FILE", str(file))

    with pytest.raises(env.ConfigurationError) as refused:
        env.text("PIXCRAWLER_CONTACT")

    assert str(refused.value).startswith(f"PIXCRAWLER_CONTACT_FILE names {file}, ")
    assert said in str(refused.value)


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A folder: root reads every file, whatever its permissions.
    monkeypatch.setenv("PIXCRAWLER_CONTACT_FILE", str(tmp_path))

    with pytest.raises(env.ConfigurationError, match=r"cannot be read \(Is a directory\). Let the user"):
        env.text("PIXCRAWLER_CONTACT")


def test_a_value_and_a_file_at_once_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("from the file")
    monkeypatch.setenv("PIXCRAWLER_CONTACT", "from the environment")
    monkeypatch.setenv("PIXCRAWLER_CONTACT_FILE", str(file))

    with pytest.raises(env.ConfigurationError, match=r"are both set, and one alone can hold\. Unset"):
        env.text("PIXCRAWLER_CONTACT")


def test_commands_say_it_in_one_sentence(file: Path) -> None:
    done = run(
        manage("check"), env={**os.environ, "DATABASE_PASSWORD_FILE": str(file), "DATABASE_URL": "postgres://h/n"}
    )

    assert done.returncode == 1
    assert done.stderr.startswith(f"DATABASE_PASSWORD_FILE names {file}, and there is no such file.")
    assert "Traceback" not in done.stderr


def test_passwords_complete_the_addresses_that_hold_none(tmp_path: Path) -> None:
    for name in ("database", "redis"):
        (tmp_path / name).write_text(f"{name}: p@ss/word\n")
    given = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("CELERY_", "DATABASE_"))},
        "DJANGO_SETTINGS_MODULE": "pixcrawler.settings",
        "DATABASE_URL": "postgresql://pixcrawler@db:5432/pixcrawler",
        "DATABASE_PASSWORD_FILE": str(tmp_path / "database"),
        "CELERY_BROKER_URL": "redis://redis:6379/1",
        "CELERY_RESULT_BACKEND": "redis://:own@elsewhere:6379/1",
        "REDIS_PASSWORD_FILE": str(tmp_path / "redis"),
    }
    words = (
        "from django.conf import settings as s; from pixcrawler.celery import app; from jobs.redis_store import client;"
        "print(s.DATABASES['default']['PASSWORD']); print(s.CELERY_RESULT_BACKEND.partition('+')[2]);"
        "print(app.connection_for_write().password, app.connection_for_read().password, app.connection().password);"
        "print(client().connection_pool.connection_kwargs['password'])"
    )

    done = run(manage("shell", "--no-imports", "-c", words), env=given)

    assert done.stdout.splitlines() == [
        "database: p@ss/word",
        "redis://:own@elsewhere:6379/1",
        "redis: p@ss/word redis: p@ss/word redis: p@ss/word",
        "redis: p@ss/word",
    ], done.stderr
