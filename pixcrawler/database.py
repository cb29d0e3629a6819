"""Which database rows lie in, from DATABASE_URL."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import environ

from pixcrawler import env


def database(data_dir: Path) -> dict[str, Any]:
    """PostgreSQL by DATABASE_URL; else SQLite in the data folder, with one writer at a time that others wait for."""
    config = _parsed(env.text("DATABASE_URL") or f"sqlite:///{data_dir / 'pixcrawler.sqlite3'}")
    options = config.setdefault("OPTIONS", {})
    if config["ENGINE"] == "django.db.backends.sqlite3":
        options.update(
            transaction_mode="IMMEDIATE",
            timeout=20,
            init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000;",
        )
    if config["ENGINE"] == "django.db.backends.postgresql":
        config["PASSWORD"] = config["PASSWORD"] or env.text("DATABASE_PASSWORD")
        config["CONN_HEALTH_CHECKS"] = True
        config["CONN_MAX_AGE"] = 60
        # A database that is away must cost seconds, not a frozen worker; a frozen worker must not hold locks for long.
        options.update(
            connect_timeout=3,
            tcp_user_timeout=15_000,
            options="-c statement_timeout=15000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=15000",
        )
    return config


def _parsed(url: str) -> dict[str, Any]:
    """A database's address as Django takes it. Raises ConfigurationError, which does not show the password."""
    with suppress(ValueError):
        if url.partition("://")[0] in {"postgresql", "postgres", "sqlite"}:
            return dict(environ.Env.db_url_config(url))
    raise env.ConfigurationError(
        "DATABASE_URL names no database that PixCrawler can use. Write postgresql://user:password@host:5432/name, "
        "or unset it to use a file in the data folder."
    )
