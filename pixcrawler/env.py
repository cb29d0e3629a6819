"""Every environment variable that PixCrawler reads: its name, kind, default and meaning, in one table.

settings.py reads the variables through the functions below, .env.example and docs/configuration.md list them, and a
test fails when one is missing there. Each may be given as NAME_FILE instead, the path of a file that holds the value:
what is secret then stands neither in the environment nor in a process list.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import environ

from jobs.crawl.sources.configuring import variables_of
from jobs.crawl.sources.registry import SOURCE_INFOS, registry

PROJECT_DIR = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable. `default` is what holds when it is unset, as it would be written in a .env file."""

    name: str
    kind: str
    default: str
    meaning: str


VARIABLES: tuple[Variable, ...] = (
    Variable("PIXCRAWLER_DATA_DIR", "path", "var", "Folder for everything PixCrawler writes."),
    Variable("PIXCRAWLER_DEBUG", "bool", "false", "Django's debug pages. Never on a machine that others reach."),
    Variable("SECRET_KEY", "str", "", "Django's secret key; unset: made once and kept in the data folder."),
    Variable("SECRET_KEY_FALLBACKS", "list", "", "Secret keys of before that are still taken; see operations.md."),
    Variable("PIXCRAWLER_ALLOWED_HOSTS", "list", "localhost,127.0.0.1,[::1]", "Host names the web process answers to."),
    Variable("PIXCRAWLER_CSRF_TRUSTED_ORIGINS", "list", "", "Origins trusted for forms behind a proxy (https://…)."),
    Variable(
        "PIXCRAWLER_HTTPS",
        "bool",
        "false",
        "Behind an HTTPS proxy: believe its X-Forwarded-Proto, secure cookies, plain HTTP redirected, HSTS.",
    ),
    Variable("PIXCRAWLER_HSTS_S", "int", "86400", "With PIXCRAWLER_HTTPS: seconds for which browsers insist on HTTPS."),
    Variable(
        "PIXCRAWLER_PROXIES",
        "int",
        "0",
        "Proxies in front of the web process; so many last entries of X-Forwarded-For are believed.",
    ),
    Variable("DATABASE_URL", "str", "", "PostgreSQL address; unset: SQLite in the data folder."),
    Variable("DATABASE_PASSWORD", "str", "", "Password for DATABASE_URL where that holds none."),
    Variable("PIXCRAWLER_S3_BUCKET", "str", "", "Bucket for pictures and exports; unset: folders of the data folder."),
    Variable("PIXCRAWLER_S3_ENDPOINT", "str", "", "Address of the S3-compatible store; unset: Amazon's own."),
    Variable("PIXCRAWLER_S3_REGION", "str", "us-east-1", "Region of the bucket."),
    Variable("PIXCRAWLER_S3_ACCESS_KEY", "str", "", "Access key; unset: what boto3 finds, such as the machine's role."),
    Variable("PIXCRAWLER_S3_SECRET_KEY", "str", "", "Secret key that belongs to it."),
    Variable("PIXCRAWLER_S3_PREFIX", "str", "", "What the names of all objects begin with, such as pixcrawler/."),
    Variable(
        "PIXCRAWLER_S3_PUBLIC_ENDPOINT",
        "str",
        "",
        "Address under which browsers reach the store for downloads; unset: the same as PIXCRAWLER_S3_ENDPOINT.",
    ),
    Variable("PIXCRAWLER_S3_ADDRESSING", "str", "auto", "Bucket in the path or in the host name: path, virtual, auto."),
    Variable("PIXCRAWLER_S3_LINK_S", "int", "300", "Seconds within which a download has to begin."),
    Variable("PIXCRAWLER_S3_CONNECT_TIMEOUT_S", "float", "3", "Seconds to connect to the store; tried twice."),
    Variable("PIXCRAWLER_S3_READ_TIMEOUT_S", "float", "10", "Seconds without a byte from the store; tried twice."),
    Variable(
        "CELERY_BROKER_URL",
        "str",
        "",
        "Redis for messages and counters, such as redis://localhost:6379/1; unset: the embedded server that quickstart "
        "runs, else redis://localhost:6379/1.",
    ),
    Variable("CELERY_RESULT_BACKEND", "str", "", "Redis for task states; unset: the same as CELERY_BROKER_URL."),
    Variable("REDIS_PASSWORD", "str", "", "Password for the two addresses above where they hold none."),
    Variable(
        "FLOWER_BASIC_AUTH",
        "str",
        "",
        "Who may look at Flower, as name:password; unset: whoever uses this machine, and it listens to no other.",
    ),
    Variable(
        "PIXCRAWLER_LEASE_S", "float", "30", "Seconds until the chunk of a worker that went silent is taken back."
    ),
    Variable("PIXCRAWLER_SCHEDULER_INTERVAL_S", "float", "5", "Seconds between two passes of the scheduler."),
    Variable("PIXCRAWLER_CHUNK_SIZE", "int", "200", "Images that one chunk keeps at most."),
    Variable("PIXCRAWLER_LIST_STRANDS", "int", "16", "Chunks of one label's URL list that may be under way at once."),
    Variable(
        "PIXCRAWLER_TASK_TIME_LIMIT_S",
        "int",
        "900",
        "Seconds after which a hung task is killed; above 120, and 60 above the lease.",
    ),
    Variable(
        "PIXCRAWLER_ORPHAN_GRACE_S",
        "float",
        "3600",
        "Seconds for which a file that no image names stays in the media store; above the task time limit.",
    ),
    Variable(
        "PIXCRAWLER_CONTACT", "str", "", "Address (mail or web page) that the User-Agent gives to the crawled sites."
    ),
    Variable("PIXCRAWLER_ALLOW_HOSTS", "list", "", "Private host:port pairs that may be fetched all the same."),
    Variable("PIXCRAWLER_BLOCKED_DOMAINS", "list", "", "Hosts that are never fetched from, with all below them."),
    Variable("PIXCRAWLER_CONNECT_TIMEOUT_S", "float", "5", "Seconds to connect to a site."),
    Variable("PIXCRAWLER_IDLE_TIMEOUT_S", "float", "10", "Seconds without a byte before a download is given up."),
    Variable("PIXCRAWLER_TOTAL_TIMEOUT_S", "float", "30", "Seconds for one download, all in all."),
    Variable("PIXCRAWLER_MAX_BODY_BYTES", "int", "20971520", "Bytes of one download at most."),
    Variable("PIXCRAWLER_MIN_SPEED_BYTES_PER_S", "int", "1024", "Bytes per second below which a site is too slow."),
    Variable("PIXCRAWLER_SPEED_WINDOW_S", "int", "10", "Seconds over which that speed is measured."),
    Variable("PIXCRAWLER_MAX_HEADER_BYTES", "int", "65536", "Bytes of an answer's headers at most."),
    Variable("PIXCRAWLER_MAX_REDIRECTS", "int", "5", "Redirects that one download follows."),
    Variable(
        "PIXCRAWLER_MAX_RETRY_AFTER_S",
        "float",
        "300",
        "Seconds of patience that a site may ask for; an address that asks for more is given up at once.",
    ),
    Variable("PIXCRAWLER_HOST_CONNECTIONS", "int", "2", "Connections to one site (domain) at once, all workers."),
    Variable("PIXCRAWLER_HOST_SPACING_S", "float", "0.5", "Seconds between two requests to one site, all workers."),
    Variable(
        "PIXCRAWLER_HOST_LIMITS",
        "limits",
        "",
        "Other limits for some hosts: host=connections/seconds apart, such as example.org=4/0.2.",
    ),
    Variable("PIXCRAWLER_FETCH_ATTEMPTS", "int", "3", "Downloads tried for a reason that may pass."),
    Variable(
        "PIXCRAWLER_FETCH_CONCURRENCY",
        "int",
        "16",
        "Downloads under way at once in one worker process; up to four times as many while sites answer slowly.",
    ),
    Variable(
        "PIXCRAWLER_CA_BUNDLE",
        "path",
        "",
        "File (PEM) of the authorities whose certificates are trusted; unset: the public ones that certifi lists.",
    ),
    Variable("PIXCRAWLER_MAX_PIXELS", "int", "50000000", "Pixels of one picture at most."),
    Variable("PIXCRAWLER_MAX_SIDE_PX", "int", "16384", "Longest side of one picture at most, in pixels."),
    Variable("PIXCRAWLER_MAX_FRAMES", "int", "1000", "Frames of one animation at most."),
    Variable("PIXCRAWLER_MAX_ASPECT", "float", "20", "Longer side of one picture divided by its shorter one, at most."),
    Variable("PIXCRAWLER_MAX_METADATA_BYTES", "int", "1048576", "Metadata of one picture at most, unpacked, in bytes."),
    Variable("PIXCRAWLER_DECODE_CPU_S", "float", "10", "Seconds of processor time to decode one picture."),
    Variable("PIXCRAWLER_DECODE_WALL_S", "float", "30", "Seconds to decode one picture, on a machine however busy."),
    Variable("PIXCRAWLER_DECODE_MEMORY_BYTES", "int", "1610612736", "Memory to decode one picture, in bytes."),
    Variable(
        "PIXCRAWLER_SOURCE_FAILURES", "int", "3", "Failures of a source in a row until all workers leave it alone."
    ),
    Variable("PIXCRAWLER_SOURCE_BREAK_S", "float", "30", "Seconds for which they do at first; doubled each time."),
    Variable("PIXCRAWLER_SOURCE_WAIT_S", "float", "10", "Seconds until a chunk asks again after a source's refusal."),
    Variable(
        "PIXCRAWLER_SOURCE_PATIENCE_S",
        "float",
        "300",
        "Seconds for which chunks wait for a source that keeps failing; after that they fail, and can be retried.",
    ),
    Variable(
        "PIXCRAWLER_MAX_UPLOAD_BYTES",
        "int",
        "250000000",
        "Bytes of one uploaded file at most, a ZIP file or a list; a proxy in front has a limit of its own.",
    ),
    *(
        Variable(one.name, one.kind, one.default, one.meaning)
        for info in SOURCE_INFOS.values()
        for one in variables_of(info)
    ),
    Variable(
        "PIXCRAWLER_ALIVE_FILE",
        "path",
        "",
        "File that a worker or scheduler touches as long as it is well, for health checks; unset: none.",
    ),
    Variable(
        "PIXCRAWLER_API_REQUESTS_PER_MINUTE",
        "int",
        "600",
        "API requests that one account may make in a minute, over all its tokens; 0: any number.",
    ),
    Variable("PIXCRAWLER_LOG_LEVEL", "str", "INFO", "Least level that is logged: DEBUG, INFO, WARNING or ERROR."),
    Variable(
        "PIXCRAWLER_PUBLIC_URL", "str", "", "Address of this installation as people reach it, for links in notices."
    ),
    Variable("PIXCRAWLER_WEBHOOK_URL", "str", "", "Where a notice goes when a job has ended; unset: nowhere."),
    Variable("PIXCRAWLER_WEBHOOK_SECRET", "str", "", "Signs these notices; the receiver has the same."),
    Variable("PIXCRAWLER_WEBHOOK_TIMEOUT_S", "float", "10", "Seconds for the receiver to take a notice; 60 at most."),
    Variable(
        "EMAIL_URL",
        "str",
        "",
        "Mail server for notices: smtp+tls://user:password@host:587, smtps://…:465 or smtp://host:25; unset: no mail.",
    ),
    Variable("PIXCRAWLER_MAIL_FROM", "str", "pixcrawler@localhost", "Sender of these mails."),
    Variable(
        "PIXCRAWLER_MAIL_JOB_ENDED",
        "bool",
        "false",
        "Mail people when a job of theirs has ended, if they have not chosen on their account page.",
    ),
    Variable(
        "PIXCRAWLER_LOG_FORMAT", "line or json", "line", "How the log is written: for people, or as JSON line by line."
    ),
    Variable(
        "PIXCRAWLER_METRICS_TOKEN", "str", "", "What Prometheus sends to read /metrics; unset: there is no such page."
    ),
)

_BY_NAME = {variable.name: variable for variable in VARIABLES}
_env = environ.Env()


def load_dotenv() -> None:
    """Reads .env of the project folder; what is set in the environment already wins."""
    dotenv = PROJECT_DIR / ".env"
    if dotenv.is_file():
        environ.Env.read_env(dotenv)


def text(name: str) -> str:
    """What the variable holds, or the file that NAME_FILE names; else its default. Raises ConfigurationError."""
    return _text(name, _BY_NAME[name].default)


def source_settings() -> dict[str, str]:
    """What is set for the sources, those of other packages too, by the variables' names."""
    variables = [one for module in registry().modules.values() for one in variables_of(module.INFO)]
    for one in variables:
        if one.kind in {"int", "float"}:
            _number(one.name, int if one.kind == "int" else float, default=one.default)
    return {one.name: _text(one.name, one.default) for one in variables}


def source_keys(values: Mapping[str, str]) -> list[str]:
    """What is secret among them."""
    infos = [module.INFO for module in registry().modules.values()]
    names = [info.setting(credential.name) for info in infos for credential in info.credentials]
    return [values[name] for name in names if values.get(name)]


def flag(name: str) -> bool:
    return text(name).strip().lower() in {"1", "true", "yes", "on"}


def whole(name: str) -> int:
    return int(_number(name, int))


def count(name: str) -> int:
    """A whole number of which there has to be one at least."""
    value = whole(name)
    if value == 0:
        raise ConfigurationError(f"{name} is set to 0, but nothing runs without one. Mend it in .env or the shell.")
    return value


def number(name: str) -> float:
    return _number(name, float)


def items(name: str) -> list[str]:
    return [part.strip() for part in text(name).split(",") if part.strip()]


def path(name: str) -> Path:
    """An absolute path; a relative one counts from the project folder."""
    return (PROJECT_DIR / Path(text(name)).expanduser()).resolve()


class ConfigurationError(Exception):
    """A variable holds something that cannot be used; the message names it and says what it takes."""


def _text(name: str, default: str) -> str:
    value, file = str(_env.str(name, default="")), str(_env.str(f"{name}_FILE", default=""))
    if not file:
        return value or default
    if value:
        raise ConfigurationError(f"{name} and {name}_FILE are both set, and one alone can hold. Unset one of them.")
    return _content(name, file)


def _content(name: str, file: str) -> str:
    """What stands in the file of NAME_FILE, without the end of the line. Raises ConfigurationError."""
    try:
        content = Path(file).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise ConfigurationError(
            f"{name}_FILE names {file}, and there is no such file. Write the value into it, or unset {name}_FILE."
        ) from None
    except (OSError, UnicodeError) as error:
        why = (isinstance(error, OSError) and error.strerror) or "it is no text"
        raise ConfigurationError(
            f"{name}_FILE names {file}, which cannot be read ({why}). Let the user that PixCrawler runs as read it."
        ) from None
    if not content:
        raise ConfigurationError(f"{name}_FILE names {file}, which is empty. Write the value into it.")
    return content


def _number(name: str, kind: type[int] | type[float], *, default: str | None = None) -> float:
    value = text(name) if default is None else _text(name, default)
    try:
        result = kind(value)
    except ValueError:
        raise ConfigurationError(
            f"{name} is set to {value!r}, which is not a number. Mend it in .env or the shell."
        ) from None
    if result < 0:
        raise ConfigurationError(f"{name} is set to {value}, but it cannot be negative. Mend it in .env or the shell.")
    return result
