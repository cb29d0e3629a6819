"""One request as libcurl is told of it: what is sent, how long it may take, and which address may be dialled."""

import socket
from collections.abc import Callable
from dataclasses import dataclass

import certifi
import pycurl

from jobs.crawl.download import Answer, Download
from jobs.crawl.hostgate import HostGate, Permit
from jobs.crawl.netguard import AddressPolicy
from jobs.crawl.urls import host_and_port

#: Seconds for which a process knows where a host's name leads, and does not look it up again.
DNS_CACHE_S = 60

Options = tuple[tuple[int, object], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """How much time and space one download may take, and how often it is tried.

    `connect_timeout_s` covers name look-up and encryption too; `idle_timeout_s` is without a byte; `total_timeout_s`
    is one attempt with all its redirects; `min_speed_bytes_per_s` is measured over `speed_window_s` (whole seconds).
    `in_flight` requests are under way at once, and up to `max_in_flight` where hosts are slow (jobs.crawl.window).
    """

    connect_timeout_s: float = 5.0
    idle_timeout_s: float = 10.0
    total_timeout_s: float = 30.0
    min_speed_bytes_per_s: int = 1024
    speed_window_s: int = 10
    max_body_bytes: int = 20 * 1024 * 1024
    max_header_bytes: int = 64 * 1024
    max_redirects: int = 5
    max_attempts: int = 3
    max_retry_after_s: float = 300.0
    backoff_s: float = 0.5
    in_flight: int = 16
    max_in_flight: int = 64


def same_for_all(limits: FetchLimits, *, user_agent: str, ca_bundle: str) -> Options:
    """Options of every request. Nothing of the environment is used: no proxies, no cookies, no netrc.

    `ca_bundle` is a file (PEM) of the authorities whose certificates are trusted; "" stands for certifi's.
    """
    return (
        (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
        (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
        (pycurl.USERAGENT, user_agent),
        (pycurl.HTTPHEADER, ["Accept: image/*,*/*;q=0.5"]),
        # Asks for plain bytes, and still reads what comes compressed.
        (pycurl.ACCEPT_ENCODING, "identity"),
        (pycurl.FOLLOWLOCATION, 0),
        (pycurl.PROXY, ""),
        (pycurl.NOPROXY, "*"),
        (pycurl.NETRC, pycurl.NETRC_IGNORED),
        (pycurl.NOSIGNAL, 1),
        (pycurl.CAINFO, ca_bundle or certifi.where()),
        (pycurl.DNS_CACHE_TIMEOUT, DNS_CACHE_S),
        (pycurl.CONNECTTIMEOUT_MS, int(limits.connect_timeout_s * 1000)),
        (pycurl.LOW_SPEED_LIMIT, limits.min_speed_bytes_per_s),
        (pycurl.LOW_SPEED_TIME, limits.speed_window_s),
    )


def of_one(download: Download, answer: Answer, *, left_s: float, opener: Callable[..., object], lent: bool) -> Options:
    """Options of this request. A connection under a lent permit ends with it: nobody would count it afterwards."""
    return (
        (pycurl.URL, download.url),
        (pycurl.TIMEOUT_MS, max(1, int(left_s * 1000))),
        (pycurl.OPENSOCKETFUNCTION, opener),
        (pycurl.HEADERFUNCTION, answer.read_header),
        (pycurl.WRITEFUNCTION, answer.read_body),
        (pycurl.FORBID_REUSE, int(lent)),
    )


def socket_opener(
    url: str, answer: Answer, *, policy: AddressPolicy, gate: HostGate, permit: Permit
) -> Callable[..., object]:
    """Opens a socket to an address only where policy and gate allow it: the very address that is dialled next."""
    host, port = host_and_port(url)

    def open_socket(_purpose: int, address: tuple[int, int, int, tuple[object, ...]]) -> object:
        family, kind, protocol, target = address
        is_ip = family in (socket.AF_INET, socket.AF_INET6)
        if not is_ip or not policy.allows_address(host, port, str(target[0])):
            answer.is_address_refused = True
            return pycurl.SOCKET_BAD
        wait_s = gate.try_dial(permit, str(target[0]))
        if wait_s > 0:
            answer.busy_s = max(answer.busy_s, wait_s)
            return pycurl.SOCKET_BAD
        answer.is_dialled = True
        return socket.socket(family, kind, protocol)

    return open_socket
