"""Django's settings, read from the environment (pixcrawler/env.py has the table of variables)."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF

from pixcrawler import broker, env
from pixcrawler.database import database
from pixcrawler.host_limits import host_limits
from pixcrawler.secret import secret_key

env.load_dotenv()

BASE_DIR = env.PROJECT_DIR
DATA_DIR: Path = env.path("PIXCRAWLER_DATA_DIR")

DEBUG = env.flag("PIXCRAWLER_DEBUG")
SECRET_KEY = env.text("SECRET_KEY") or secret_key(DATA_DIR)
SECRET_KEY_FALLBACKS = env.items("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = env.items("PIXCRAWLER_ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.items("PIXCRAWLER_CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "pixcrawler",
    "jobs",
    "datasets",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_celery_results",
    "django_htmx",
    "ninja",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "pixcrawler.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    # Last: it turns the answer to a sign-in that was tried too often into a page that says so.
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "pixcrawler.urls"
WSGI_APPLICATION = "pixcrawler.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "jobs.context.page_frame",
            ],
        },
    },
]


DATABASES = {"default": database(DATA_DIR)}

#: Sign-in: axes first, which refuses a name from an address that has tried too often. Tokens do not pass here.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "pixcrawler.permissions.OneQueryBackend"]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "pixcrawler.proxies.client_address"
TRUSTED_PROXIES = env.whole("PIXCRAWLER_PROXIES")
# A name and an address together: nobody can lock somebody else out from afar.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "locked.html"
AXES_ENABLE_ACCESS_FAILURE_LOG = False
AXES_VERBOSE = False

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = DATA_DIR / "media"
#: Files of exports, a folder per job. Web and workers share it, as they share MEDIA_ROOT; with a bucket each worker
#: machine has one of its own to write in, and storage "exports" holds what is finished.
EXPORTS_ROOT = DATA_DIR / "exports"


def _bucket(folder: str) -> dict[str, Any]:
    """A folder of the bucket, as STORAGES takes it."""
    options = {
        "bucket_name": env.text("PIXCRAWLER_S3_BUCKET"),
        "location": f"{env.text('PIXCRAWLER_S3_PREFIX').strip('/')}/{folder}".strip("/"),
        "endpoint_url": env.text("PIXCRAWLER_S3_ENDPOINT") or None,
        "region_name": env.text("PIXCRAWLER_S3_REGION"),
        "access_key": env.text("PIXCRAWLER_S3_ACCESS_KEY") or None,
        "secret_key": env.text("PIXCRAWLER_S3_SECRET_KEY") or None,
        "public_endpoint_url": env.text("PIXCRAWLER_S3_PUBLIC_ENDPOINT"),
        "addressing_style": env.text("PIXCRAWLER_S3_ADDRESSING"),
        "connect_timeout_s": env.number("PIXCRAWLER_S3_CONNECT_TIMEOUT_S"),
        "read_timeout_s": env.number("PIXCRAWLER_S3_READ_TIMEOUT_S"),
        "link_s": env.whole("PIXCRAWLER_S3_LINK_S"),
        # The sweep takes what is older than the grace time, so that half of it is far from both.
        "fresh_s": env.number("PIXCRAWLER_ORPHAN_GRACE_S") / 2,
    }
    return {"BACKEND": "datasets.object_storage.ObjectStorage", "OPTIONS": options}


def _stores() -> dict[str, dict[str, Any]]:
    """Where pictures lie, and, with a bucket, finished exports."""
    if env.text("PIXCRAWLER_S3_BUCKET"):
        return {"default": _bucket("media"), "exports": _bucket("exports")}
    return {"default": {"BACKEND": "datasets.storage.AtomicFileSystemStorage", "OPTIONS": {"location": MEDIA_ROOT}}}


STORAGES = {
    **_stores(),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_MANIFEST_STRICT = False
MAX_UPLOAD_BYTES = env.count("PIXCRAWLER_MAX_UPLOAD_BYTES")
FILE_UPLOAD_HANDLERS = [
    "pixcrawler.upload_limit.UploadLimit",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
# An uploaded list of a million addresses goes to a temporary file, and the form stays small.
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
FILE_UPLOAD_TEMP_DIR = None

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_ENGINE = "pixcrawler.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
if env.flag("PIXCRAWLER_HTTPS"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    # Health checks and balancers ask the web process itself.
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
    SECURE_HSTS_SECONDS = env.whole("PIXCRAWLER_HSTS_S")
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    # Whether other hosts of the domain speak HTTPS, and whether browsers learn that for good, is its owner's to say.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}

# -- Celery --------------------------------------------------------------------------------------------------------
# docs/decisions/0001 has the reasons: the database is the queue of record, a message only says "try chunk 17".
#: A chunk ends after so much time even if its quota is not met; the next one goes on there.
CHUNK_BUDGET_S = 60.0

#: A task writes an export for so long where another machine may take over: it has to fetch what was written.
SHELVED_BUDGET_S = 420.0

#: Between the soft limit, at which a task is told to end, and the hard one, at which its process is killed.
_TIME_TO_END_S = 60


def _task_time_limit_s() -> int:
    """The hard limit for a task. Raises ConfigurationError for one that would end chunks that are well."""
    limit_s, lease_s = env.whole("PIXCRAWLER_TASK_TIME_LIMIT_S"), env.number("PIXCRAWLER_LEASE_S")
    least_s = max(lease_s, CHUNK_BUDGET_S) + _TIME_TO_END_S
    if limit_s <= least_s:
        raise env.ConfigurationError(
            f"PIXCRAWLER_TASK_TIME_LIMIT_S is set to {limit_s}, but it has to be above {least_s:g}: a chunk works for "
            f"{CHUNK_BUDGET_S:g} s, its lease (PIXCRAWLER_LEASE_S) lasts {lease_s:g} s, and {_TIME_TO_END_S} s are for "
            "ending in order. Mend it in .env or the shell."
        )
    return limit_s


def _orphan_grace_s() -> float:
    """How long a file may lie in the media store unnamed. Raises ConfigurationError for less than a task may take."""
    grace_s = env.number("PIXCRAWLER_ORPHAN_GRACE_S")
    limit_s = env.whole("PIXCRAWLER_TASK_TIME_LIMIT_S")
    if grace_s <= limit_s:
        raise env.ConfigurationError(
            f"PIXCRAWLER_ORPHAN_GRACE_S is set to {grace_s:g}, but it has to be above {limit_s} "
            "(PIXCRAWLER_TASK_TIME_LIMIT_S): pictures of running tasks would be removed. Mend it in .env or the shell."
        )
    return grace_s


EMBEDDED_BROKER = not env.text("CELERY_BROKER_URL")
EMBEDDED_BROKER_SOCKET = broker.embedded_socket(DATA_DIR)
_redis_password = env.text("REDIS_PASSWORD")
CELERY_BROKER_URL = broker.with_password(
    broker.broker_url(env.text("CELERY_BROKER_URL"), EMBEDDED_BROKER_SOCKET), _redis_password
)
# Celery takes an environment variable CELERY_BROKER_URL, which holds no password, before the setting of that name.
CELERY_BROKER_READ_URL = CELERY_BROKER_WRITE_URL = CELERY_BROKER_URL
CELERY_RESULT_BACKEND = broker.result_backend(
    broker.with_password(env.text("CELERY_RESULT_BACKEND"), _redis_password), CELERY_BROKER_URL
)
REDIS_URL = broker.client_url(CELERY_BROKER_URL)

CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_TASK_ACKS_ON_FAILURE = True
CELERY_TASK_ACKS_ON_TIMEOUT = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_WORKER_MAX_TASKS_PER_CHILD = 200
# A process that needed more is replaced after its chunk; docs/performance.md has what one needs.
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 300_000  # KiB
CELERY_TASK_TIME_LIMIT = _task_time_limit_s()
CELERY_TASK_SOFT_TIME_LIMIT = CELERY_TASK_TIME_LIMIT - _TIME_TO_END_S
CELERY_TASK_TRACK_STARTED = True
CELERY_RESULT_EXTENDED = True
CELERY_RESULT_EXPIRES = 86_400
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# Flower asks the workers about many things at once, two connections each; a smaller pool locks it up.
CELERY_BROKER_POOL_LIMIT = 64
CELERY_REDIS_MAX_CONNECTIONS = 20
CELERY_REDIS_SOCKET_TIMEOUT = 3.0
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 2.0
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Longer than a task may take: until then nobody else gets its message.
    "visibility_timeout": max(3600, 2 * CELERY_TASK_TIME_LIMIT),
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_timeout": 3.0,
    "socket_connect_timeout": 2.0,
    "socket_keepalive": True,
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# -- PixCrawler ----------------------------------------------------------------------------------------------------
ALIVE_FILE = env.path("PIXCRAWLER_ALIVE_FILE") if env.text("PIXCRAWLER_ALIVE_FILE") else None
FLOWER_BASIC_AUTH = env.text("FLOWER_BASIC_AUTH")
LEASE_S = env.number("PIXCRAWLER_LEASE_S")
SCHEDULER_INTERVAL_S = env.number("PIXCRAWLER_SCHEDULER_INTERVAL_S")
CHUNK_SIZE = env.count("PIXCRAWLER_CHUNK_SIZE")
LIST_STRANDS = env.count("PIXCRAWLER_LIST_STRANDS")

#: Images that one chunk of a validation looks at: a few seconds of work.
VALIDATION_CHUNK_SIZE = 500
ORPHAN_GRACE_S = _orphan_grace_s()
CONTACT = env.text("PIXCRAWLER_CONTACT")
ALLOW_HOSTS = frozenset(host.lower() for host in env.items("PIXCRAWLER_ALLOW_HOSTS"))
BLOCKED_DOMAINS = frozenset(host.lower().strip(".") for host in env.items("PIXCRAWLER_BLOCKED_DOMAINS"))
CONNECT_TIMEOUT_S = env.number("PIXCRAWLER_CONNECT_TIMEOUT_S")
IDLE_TIMEOUT_S = env.number("PIXCRAWLER_IDLE_TIMEOUT_S")
TOTAL_TIMEOUT_S = env.number("PIXCRAWLER_TOTAL_TIMEOUT_S")
MAX_BODY_BYTES = env.whole("PIXCRAWLER_MAX_BODY_BYTES")
MIN_SPEED_BYTES_PER_S = env.whole("PIXCRAWLER_MIN_SPEED_BYTES_PER_S")
SPEED_WINDOW_S = env.whole("PIXCRAWLER_SPEED_WINDOW_S")
MAX_HEADER_BYTES = env.whole("PIXCRAWLER_MAX_HEADER_BYTES")
MAX_REDIRECTS = env.whole("PIXCRAWLER_MAX_REDIRECTS")
MAX_RETRY_AFTER_S = env.number("PIXCRAWLER_MAX_RETRY_AFTER_S")
HOST_CONNECTIONS = env.count("PIXCRAWLER_HOST_CONNECTIONS")
HOST_SPACING_S = env.number("PIXCRAWLER_HOST_SPACING_S")
HOST_LIMITS = host_limits("PIXCRAWLER_HOST_LIMITS", free_hosts=ALLOW_HOSTS)
FETCH_ATTEMPTS = env.count("PIXCRAWLER_FETCH_ATTEMPTS")
FETCH_CONCURRENCY = env.count("PIXCRAWLER_FETCH_CONCURRENCY")
CA_BUNDLE = str(env.path("PIXCRAWLER_CA_BUNDLE")) if env.text("PIXCRAWLER_CA_BUNDLE") else ""
MAX_PIXELS = env.whole("PIXCRAWLER_MAX_PIXELS")
MAX_SIDE_PX = env.whole("PIXCRAWLER_MAX_SIDE_PX")
MAX_FRAMES = env.whole("PIXCRAWLER_MAX_FRAMES")
MAX_ASPECT = env.number("PIXCRAWLER_MAX_ASPECT")
MAX_METADATA_BYTES = env.whole("PIXCRAWLER_MAX_METADATA_BYTES")
DECODE_CPU_S = env.number("PIXCRAWLER_DECODE_CPU_S")
DECODE_WALL_S = env.number("PIXCRAWLER_DECODE_WALL_S")
DECODE_MEMORY_BYTES = env.whole("PIXCRAWLER_DECODE_MEMORY_BYTES")
# No variable: tests put a decoder that breaks in its place.
DECODER_MODULE = "datasets.imaging.decoder_child"
SOURCE_FAILURES = env.count("PIXCRAWLER_SOURCE_FAILURES")
SOURCE_BREAK_S = env.number("PIXCRAWLER_SOURCE_BREAK_S")
SOURCE_WAIT_S = env.number("PIXCRAWLER_SOURCE_WAIT_S")
SOURCE_PATIENCE_S = env.number("PIXCRAWLER_SOURCE_PATIENCE_S")
SOURCE_SETTINGS = env.source_settings()
API_REQUESTS_PER_MINUTE = env.whole("PIXCRAWLER_API_REQUESTS_PER_MINUTE")
METRICS_TOKEN = env.text("PIXCRAWLER_METRICS_TOKEN")

# -- Notices -------------------------------------------------------------------------------------------------------
PUBLIC_URL = env.text("PIXCRAWLER_PUBLIC_URL").rstrip("/")
WEBHOOK_URL = env.text("PIXCRAWLER_WEBHOOK_URL")
WEBHOOK_SECRET = env.text("PIXCRAWLER_WEBHOOK_SECRET")
#: Well below the time after which another attempt is made.
WEBHOOK_TIMEOUT_S = min(60.0, env.number("PIXCRAWLER_WEBHOOK_TIMEOUT_S"))
if WEBHOOK_URL and not WEBHOOK_SECRET:
    raise env.ConfigurationError(
        "PIXCRAWLER_WEBHOOK_URL is set, but PIXCRAWLER_WEBHOOK_SECRET is not: the receiver could not tell a notice "
        "from a forgery. Set both in .env or the shell."
    )


def _mail() -> dict[str, Any]:
    """The settings of the mail server. Raises ConfigurationError, which does not show the password."""
    url = env.text("EMAIL_URL")
    if url.partition("://")[0] not in {"", "smtp", "smtps", "smtp+tls", "smtp+ssl"}:
        raise env.ConfigurationError(
            "EMAIL_URL names no mail server. Write smtp+tls://user:password@host:587 (or smtps://…:465, "
            "smtp://host:25), or unset it to send no mail."
        )
    return dict(environ.Env.email_url_config(url)) if url else {}


_MAIL = _mail()
MAIL_IS_SET = bool(_MAIL)
EMAIL_HOST, EMAIL_PORT = _MAIL.get("EMAIL_HOST") or "localhost", _MAIL.get("EMAIL_PORT") or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL.get("EMAIL_HOST_USER") or "", _MAIL.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS, EMAIL_USE_SSL = bool(_MAIL.get("EMAIL_USE_TLS")), bool(_MAIL.get("EMAIL_USE_SSL"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("PIXCRAWLER_MAIL_FROM")
MAIL_JOB_ENDED = env.flag("PIXCRAWLER_MAIL_JOB_ENDED")


def _log_format() -> str:
    """Raises ConfigurationError for a form that there is not."""
    name = env.text("PIXCRAWLER_LOG_FORMAT").lower()
    if name not in {"line", "json"}:
        raise env.ConfigurationError(
            f"PIXCRAWLER_LOG_FORMAT is set to {name!r}, but it takes line or json. Mend it in .env or the shell."
        )
    return name


LOG_FORMAT = _log_format()
#: Never to be read in a log, wherever they come from.
_SECRETS = [
    *(SECRET_KEY, METRICS_TOKEN, WEBHOOK_SECRET, EMAIL_HOST_PASSWORD, *env.source_keys(SOURCE_SETTINGS)),
    *(_redis_password, str(DATABASES["default"].get("PASSWORD", "")), FLOWER_BASIC_AUTH.partition(":")[2]),
    *(env.text("PIXCRAWLER_S3_SECRET_KEY"), *SECRET_KEY_FALLBACKS),
]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"ids": {"()": "jobs.log_context.Ids"}},
    "formatters": {
        "line": {"()": "pixcrawler.logs.LineFormatter", "secrets": _SECRETS},
        "json": {"()": "pixcrawler.logs.JsonFormatter", "secrets": _SECRETS},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["ids"]}},
    "root": {"handlers": ["console"], "level": env.text("PIXCRAWLER_LOG_LEVEL").upper()},
    "loggers": {
        # A page that is not there is the visitor's matter, not the operator's.
        "django.request": {"level": "ERROR"},
    },
}
