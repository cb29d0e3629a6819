"""The conversation with a service over HTTP, the same for all of them: what may come back, and what it means.

Answers are bounded in size and time; nothing of the environment is used (no proxy, no netrc) and no redirect followed.
Whatever goes wrong becomes a SourceError whose sentence names the service and the setting to look at.
"""

import json
import time
from collections.abc import Mapping
from typing import Any, Final

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from jobs.crawl.http_status import is_redirect, retry_after_s
from jobs.crawl.redaction import redacted, remember
from jobs.crawl.sources.base import (
    Exchange,
    Services,
    SourceBadRequest,
    SourceCaptcha,
    SourceConfig,
    SourceError,
    SourceInfo,
    SourceRateLimited,
    SourceRefused,
    SourceShapeChanged,
    SourceUnavailable,
)
from jobs.crawl.sources.quotas import quotas_of
from jobs.crawl.text import clean

_MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
_CONNECT_TIMEOUT_S: Final = 5.0
_LONGEST_DETAIL: Final = 200

#: What pages say that want to see a person.
_RIDDLES: Final = (b"captcha", b"are you a robot", b"unusual traffic", b"verify you are human", b"wappass.baidu.com")

#: Where services put what they say of a refusal, the likeliest first.
_DETAIL_KEYS: Final = ("detail", "message", "info", "error_description", "error", "errors", "code")


class Conversation:
    """Asks one service. `headers` go along with every request, cookies last as long as the conversation.

    Adapters raise what its methods make (`raise talk.refused(...)`) for refusals that come with status 200.
    """

    def __init__(
        self, info: SourceInfo, config: SourceConfig, services: Services, *, headers: Mapping[str, str] | None = None
    ) -> None:
        self._info = info
        self._config = config
        self._services = services
        for secret in config.credentials.values():
            remember(secret)
        self._session = requests.Session()
        # Nothing of the environment: no proxy, no netrc.
        self._session.trust_env = False
        self._session.verify = services.ca_bundle or True
        self._session.mount("http://", services.connections)
        self._session.mount("https://", services.connections)
        self._session.headers["User-Agent"] = config.user_agent
        self._session.headers.update(headers or {})

    def json(
        self, path: str = "", parameters: Mapping[str, str] | None = None, *, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The object that the service answers with. `path` is below the configured address, or an address of its own.

        Raises a SourceError.
        """
        return self._object(self._ask("GET", path, parameters, headers))

    def post_form(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        """The object that the service answers a form with. Raises a SourceError."""
        return self._object(self._ask("POST", path, None, None, form=form))

    def text(
        self, path: str = "", parameters: Mapping[str, str] | None = None, *, headers: Mapping[str, str] | None = None
    ) -> str:
        """The page or text that the service answers with. Raises a SourceError, SourceCaptcha for a riddle."""
        body = self._ask("GET", path, parameters, headers)
        if is_riddle(body):
            raise self.captcha()
        return body.decode("utf-8", errors="replace")

    # What can be wrong, in words

    def unavailable(self, what: str, *, wait_s: float | None = None) -> SourceUnavailable:
        """`what` goes on after the service's name: “has trouble of its own”."""
        address = f" and {self._setting('url')}" if self._info.url or self._info.needs_url else ""
        return SourceUnavailable(
            f"{self._info.title} {what}. It is tried again; if it stays so, check the network{address}.",
            retry_after_s=wait_s,
        )

    def rate_limited(self, *, wait_s: float | None = None) -> SourceRateLimited:
        optional = [one for one in self._info.credentials if not self._config.credentials.get(one.name)]
        more = f", or set {self._settings_of(optional)} to be allowed more" if optional else ""
        return SourceRateLimited(f"{self._info.title} answered “too many requests”. Wait{more}.", retry_after_s=wait_s)

    def refused(self, detail: str) -> SourceRefused:
        """`detail` is what the service said, as it came, or its status."""
        settings = self._settings_of(self._info.credentials) if self._info.credentials else self._setting("url")
        hint = f", and {self._info.refusal_hint}" if self._info.refusal_hint else ""
        return SourceRefused(
            f"{self._info.title} refused this installation ({self._harmless(detail)}). Check {settings}{hint}; "
            "then restart the worker and retry."
        )

    def bad_request(self, detail: str) -> SourceBadRequest:
        said = self._harmless(detail).rstrip(".") or "it does not say why"
        return SourceBadRequest(f"{self._info.title} does not accept this search: {said}. Change the keyword.")

    def shape_changed(self, what: str) -> SourceShapeChanged:
        """`what` goes on after “answered”: “without a list of results”."""
        return SourceShapeChanged(
            f"{self._info.title} answered {what}, which is not what its documentation promises. "
            f"Check {self._setting('url')}; if that is right, its interface may have changed: "
            "look for a newer PixCrawler."
        )

    def captcha(self) -> SourceCaptcha:
        return SourceCaptcha(
            f"{self._info.title} asks for a captcha: it takes this installation for a machine, which it is. "
            "Leave it alone for some hours, ask it less often, or take another source."
        )

    # How it is asked

    def _ask(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        *,
        form: Mapping[str, str] | None = None,
    ) -> bytes:
        self._services.pace()
        url = path if "://" in path else f"{self._config.url.rstrip('/')}/{path.lstrip('/')}"
        if not path:
            url = self._config.url
        started = self._services.clock()
        response: requests.Response | None = None
        try:
            with self._session.request(
                method,
                url,
                params=parameters,
                headers=headers,
                data=form,
                timeout=(_CONNECT_TIMEOUT_S, self._config.timeout_s),
                stream=True,
                allow_redirects=False,
            ) as response:
                body = self._read(response)
        except (requests.Timeout, ReadTimeoutError):
            raise self.unavailable("did not answer in time") from None
        except (requests.RequestException, HTTPError, OSError) as error:
            raise self.unavailable(f"could not be reached ({type(error).__name__})") from None
        finally:
            self._services.exchanged(
                Exchange(
                    seconds=self._services.clock() - started,
                    status=response.status_code if response is not None else None,
                    quotas=quotas_of(response.headers) if response is not None else (),
                )
            )
        if not 200 <= response.status_code < 300:
            raise self._refusal(response, body)
        return body

    def _read(self, response: requests.Response) -> bytes:
        """The body, decoded. Raises requests.Timeout and SourceShapeChanged."""
        ends_at = time.monotonic() + self._config.timeout_s
        body = bytearray()
        # read1 gives what has come, so that the clock is looked at however slowly it comes.
        while part := response.raw.read1(64 * 1024, decode_content=True):
            body += part
            if len(body) > _MAX_ANSWER_BYTES:
                raise self.shape_changed(f"with more than {_MAX_ANSWER_BYTES // 2**20} MiB")
            if time.monotonic() > ends_at:
                raise requests.Timeout
        return bytes(body)

    def _object(self, body: bytes) -> dict[str, Any]:
        answer = parsed(body)
        if isinstance(answer, dict):
            return answer
        if answer is None and is_page(body):
            raise self.captcha() if is_riddle(body) else self.shape_changed("with a web page instead of data")
        raise self.shape_changed("with something that is no JSON object")

    def _refusal(self, response: requests.Response, body: bytes) -> SourceError:
        status = response.status_code
        wait_s = retry_after_s(response.headers.get("Retry-After", ""))
        detail = detail_of(body)
        # Some services throttle by 403; a header tells it from a refusal.
        is_used_up = any(quota.remaining == 0 for quota in quotas_of(response.headers))
        if status == 429 or (status == 403 and (wait_s is not None or is_used_up)):
            return self.rate_limited(wait_s=wait_s)
        if status in (401, 403):
            if is_page(body) and is_riddle(body):
                return self.captcha()
            return self.refused(f"status {status}{f': {detail}' if detail else ''}")
        if status >= 500:
            return self.unavailable(f"has trouble of its own (status {status})", wait_s=wait_s)
        if is_redirect(status):
            if is_riddle(response.headers.get("Location", "").encode()):
                return self.captcha()
            return self.shape_changed(f"with a redirect (status {status})")
        if status == 404:
            return SourceBadRequest(
                f"{self._info.title} has nothing at this address (status 404). "
                f"Check that {self._setting('url')} leads to {self._info.title}."
            )
        return self.bad_request(detail)

    def _setting(self, name: str) -> str:
        return self._info.setting(name)

    def _settings_of(self, credentials: Any) -> str:
        return " and ".join(self._setting(one.name) for one in credentials)

    def _harmless(self, detail: str) -> str:
        """What a service said, cleaned, without our keys: some repeat them."""
        return _shortened(detail)


def parsed(body: bytes) -> Any:
    """What the JSON says; None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def is_page(body: bytes) -> bool:
    """Whether a web page came."""
    start = body[:512].lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body"))


def is_riddle(body: bytes) -> bool:
    """Whether a page wants to see a person."""
    looked_at = body[: 256 * 1024].lower()
    return any(words in looked_at for words in _RIDDLES)


def detail_of(body: bytes) -> str:
    """What a service says of its refusal, wherever it puts that; "" for a page."""
    answer = parsed(body)
    if answer is None:
        return "" if is_page(body) or b"<" in body[:200] else _shortened(body[:1000].decode("utf-8", "replace"))
    return _shortened(_told(answer))


def _shortened(detail: str) -> str:
    # Keys are taken out first: half a key would not be known again.
    return clean(redacted(detail), _LONGEST_DETAIL)


def _told(answer: Any) -> str:
    match answer:
        case str():
            return answer
        case [first, *_]:
            return _told(first)
        case dict():
            return next((told for key in _DETAIL_KEYS if (told := _told(answer.get(key)))), "")
    return ""
