"""System checks: what `manage.py check` says of the settings, and, where it is asked to look further, of Redis.

`manage.py check` looks at the settings alone. `--deploy` adds what matters once others use the installation,
`--database default` asks Redis; a Redis that is away is no fault of the settings, so nothing is said of it then.
"""

import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from celery import current_app
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register

from jobs import diagnoses
from jobs.crawl.sources.registry import registry
from jobs.diagnoses import Diagnosis, Level
from jobs.redis_store import RedisError, server_facts

#: The tags of our checks: of the settings, and of Redis.
SETTINGS_TAG, REDIS_TAG = "pixcrawler", "redis"

Apps = Sequence[AppConfig] | None
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]", ".localhost", "testserver"})


def serializers() -> Diagnosis:
    """Whether every process of these settings speaks JSON, and only that."""
    given = current_app.conf
    spoken = {given.task_serializer, given.result_serializer, *given.accept_content, *given.result_accept_content}
    if spoken == {"json"}:
        return diagnoses.ok("serializer", "Tasks are JSON and nothing else.")
    return diagnoses.problem(
        "serializer",
        f"Tasks may be {', '.join(sorted(map(str, spoken - {'json'})))}, not JSON alone.",
        meaning="Workers refuse such content (“Refusing to deserialize”), and unpacking a pickle runs what is in it.",
        step="Set CELERY_TASK_SERIALIZER, CELERY_RESULT_SERIALIZER and the two …ACCEPT_CONTENT settings back to JSON.",
    )


def time_limits() -> Diagnosis:
    limit_s, lease_s = settings.CELERY_TASK_TIME_LIMIT, settings.LEASE_S
    if limit_s > lease_s:
        return diagnoses.ok(
            "time limits", f"A hung task ends after {limit_s} s, a silent worker's after {lease_s:g} s."
        )
    return diagnoses.warning(
        "time limits",
        f"The task time limit ({limit_s} s) is not above the lease ({lease_s:g} s).",
        meaning="Tasks are killed while they work, and what they held is taken back only after that.",
        step="Raise PIXCRAWLER_TASK_TIME_LIMIT_S (900) or lower PIXCRAWLER_LEASE_S (30), and restart.",
    )


def allowed_addresses() -> Diagnosis:
    if not settings.ALLOW_HOSTS:
        return diagnoses.ok("private hosts", "No private host may be fetched from.")
    return diagnoses.warning(
        "private hosts",
        f"{', '.join(sorted(settings.ALLOW_HOSTS))} may be fetched from although the address rules would refuse it.",
        meaning="Whoever may start a crawl reaches it through PixCrawler.",
        step="Unset PIXCRAWLER_ALLOW_HOSTS unless these hosts are your own.",
    )


def authorities() -> Diagnosis:
    """Whether the authorities that the operator trusts can be read."""
    if not settings.CA_BUNDLE:
        return diagnoses.ok("certificates", "Certificates of the public authorities are trusted.")
    try:
        ssl.create_default_context(cafile=settings.CA_BUNDLE)
    except OSError as error:
        return diagnoses.problem(
            "certificates",
            f"{settings.CA_BUNDLE}, which PIXCRAWLER_CA_BUNDLE names, holds no certificates that can be read: {error}.",
            meaning="No site can be asked over https: every picture fails with tls_error.",
            step="Name a file of certificates in PEM form, or unset the variable, and restart.",
        )
    return diagnoses.ok("certificates", f"Certificates of the authorities in {settings.CA_BUNDLE} are trusted.")


def debug_pages() -> Diagnosis:
    public = sorted(host for host in settings.ALLOWED_HOSTS if host not in _LOCAL_HOSTS)
    served = f" and {', '.join(public)} is served" if public else ""
    if not settings.DEBUG:
        return diagnoses.ok("debug", "Debug pages are off.")
    return (diagnoses.problem if public else diagnoses.warning)(
        "debug",
        f"Debug pages are on{served}.",
        meaning="Whoever makes a page fail reads settings and data.",
        step="Unset PIXCRAWLER_DEBUG and restart.",
    )


def contact() -> Diagnosis:
    if settings.CONTACT:
        return diagnoses.ok("contact", f"Crawled sites are told {settings.CONTACT}.")
    return diagnoses.warning(
        "contact",
        "Crawled sites are given no contact.",
        meaning="Some refuse such crawlers, and nobody can ask you to slow down.",
        step="Set PIXCRAWLER_CONTACT to a mail address or a web page.",
    )


def foreign_sources() -> Diagnosis:
    """Whether every source that a package offers can be used."""
    problems = registry().problems
    if not problems:
        return diagnoses.ok("sources", "Every source that is installed can be used.")
    return diagnoses.warning(
        "sources",
        " ".join(problems),
        meaning="Crawls cannot name these sources.",
        step="Mend or remove these packages, then restart every process.",
    )


def of_settings() -> Iterator[Diagnosis]:
    """What settings alone can get wrong."""
    yield serializers()
    yield time_limits()
    yield allowed_addresses()
    yield authorities()
    yield debug_pages()
    yield contact()


@register(SETTINGS_TAG)
def check_serializers(app_configs: Apps, **_kwargs: Any) -> list[CheckMessage]:
    return _messages(serializers(), "pixcrawler.E001", kind=Error)


@register(SETTINGS_TAG)
def check_time_limits(app_configs: Apps, **_kwargs: Any) -> list[CheckMessage]:
    return _messages(time_limits(), "pixcrawler.W002")


@register(SETTINGS_TAG, Tags.security)
def check_allowed_addresses(app_configs: Apps, **_kwargs: Any) -> list[CheckMessage]:
    return _messages(allowed_addresses(), "pixcrawler.W003")


@register(SETTINGS_TAG)
def check_authorities(app_configs: Apps, **_kwargs: Any) -> list[CheckMessage]:
    return _messages(authorities(), "pixcrawler.E008", kind=Error)


@register(SETTINGS_TAG, Tags.security)
def check_debug_pages(app_configs: Apps, **_kwargs: Any) -> list[CheckMessage]:
    found = debug_pages()
    return _messages(found, "pixcrawler.W004") if found.level is Level.PROBLEM else []


@register(SETTINGS_TAG, deploy=True)
def check_contact(app_configs: Apps, **_kwargs: Any) -> list[CheckMessage]:
    return _messages(contact(), "pixcrawler.I005", kind=Info)


@register(SETTINGS_TAG)
def check_foreign_sources(app_configs: Apps, **_kwargs: Any) -> list[CheckMessage]:
    return _messages(foreign_sources(), "pixcrawler.W007")


@register(REDIS_TAG, Tags.database)
def check_eviction(app_configs: Apps, databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """Asks Redis, so only where databases may be asked."""
    if not databases:
        return []
    try:
        return _messages(diagnoses.eviction(str(server_facts().get("maxmemory_policy", ""))), "pixcrawler.W006")
    except (RedisError, ValueError):
        return []


def _messages(found: Diagnosis, id: str, *, kind: Callable[..., CheckMessage] = Warning) -> list[CheckMessage]:
    if found.level is Level.OK:
        return []
    return [kind(f"{found.finding} {found.meaning}", hint=found.mend, id=id)]
