"""Posts a small message to an address that the operator named, by the address rules of every fetch.

One attempt, no redirects: whoever moves the receiver sets the new address. The address that is dialled is checked by
the callback that opens the socket, as in jobs.crawl.fetch.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pycurl

from jobs.crawl import curl_errors, curl_request, http_status
from jobs.crawl.curl_request import FetchLimits
from jobs.crawl.download import Answer
from jobs.crawl.netguard import AddressPolicy
from jobs.crawl.urls import InvalidUrl, host_and_port

_MAX_HEADER_BYTES: Final = 16 * 1024
_MAX_BODY_BYTES: Final = 1024
_CONNECT_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPosted:
    """Why the receiver did not take it, as a sentence that names no address; `is_final`: the address is refused."""

    sentence: str
    is_final: bool = False


def post(
    url: str,
    payload: bytes,
    *,
    headers: Mapping[str, str],
    policy: AddressPolicy,
    user_agent: str,
    timeout_s: float,
    ca_bundle: str = "",
) -> NotPosted | None:
    """One POST within `timeout_s`, all in all; None: it was answered with a status of 200 to 299.

    `ca_bundle` is as in jobs.crawl.curl_request.
    """
    try:
        spelled = policy.checked(url)
    except InvalidUrl as error:
        return NotPosted(sentence=f"The address of the receiver is refused. {error}", is_final=True)
    answer = Answer(max_header_bytes=_MAX_HEADER_BYTES, max_body_bytes=_MAX_BODY_BYTES, keeps_beginning=True)
    limits = FetchLimits(connect_timeout_s=_CONNECT_TIMEOUT_S, total_timeout_s=timeout_s, speed_window_s=3600)
    handle = pycurl.Curl()
    try:
        for option, value in (
            *curl_request.same_for_all(limits, user_agent=user_agent, ca_bundle=ca_bundle),
            (pycurl.URL, spelled),
            (pycurl.TIMEOUT_MS, int(timeout_s * 1000)),
            (pycurl.HTTPHEADER, [*(f"{name}: {text}" for name, text in headers.items()), "Expect:"]),
            (pycurl.POSTFIELDS, payload),
            (pycurl.OPENSOCKETFUNCTION, _opener(spelled, answer, policy)),
            (pycurl.HEADERFUNCTION, answer.read_header),
            (pycurl.WRITEFUNCTION, answer.read_body),
            (pycurl.FORBID_REUSE, 1),
        ):
            handle.setopt(option, value)
        code, message = _perform(handle)
        return _verdict(answer, code, message, system_errno=int(handle.getinfo(pycurl.OS_ERRNO)))
    finally:
        handle.close()


def _perform(handle: pycurl.Curl) -> tuple[int, str]:
    try:
        handle.perform()
    except pycurl.error as error:
        code, message = error.args
        return int(code), str(message)
    return pycurl.E_OK, ""


def _opener(url: str, answer: Answer, policy: AddressPolicy) -> object:
    host, port = host_and_port(url)

    def open_socket(_purpose: int, address: tuple[int, int, int, tuple[object, ...]]) -> object:
        family, kind, protocol, target = address
        is_ip = family in (socket.AF_INET, socket.AF_INET6)
        if not is_ip or not policy.allows_address(host, port, str(target[0])):
            answer.is_address_refused = True
            return pycurl.SOCKET_BAD
        answer.is_dialled = True
        return socket.socket(family, kind, protocol)

    return open_socket


def _verdict(answer: Answer, code: int, message: str, *, system_errno: int) -> NotPosted | None:
    if answer.is_address_refused and not answer.is_dialled:
        return NotPosted(
            sentence="The address of the receiver does not lead to the public internet. Where it is your own, name its "
            "host:port in PIXCRAWLER_ALLOW_HOSTS.",
            is_final=True,
        )
    if answer.is_head_complete:
        if 200 <= answer.status < 300:
            return None
        if http_status.is_redirect(answer.status):
            return NotPosted(
                sentence=f"The receiver redirects (status {answer.status}), which is not followed: set the address "
                "that it redirects to."
            )
        return NotPosted(sentence=f"The receiver answered with status {answer.status}; see its log.")
    _, sentence = curl_errors.reason(code, message, system_errno=system_errno, body_begun=False)
    return NotPosted(sentence=f"{sentence} Check that the receiver runs and can be reached from here.")
