"""Connections, names and certificates of many downloads: used again, looked up once, and trusted only by authority."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pycurl
import pytest

from bench.certificates import Certificate, certificate_for
from bench.photo_server import Place, photographs, serving
from datasets.outcomes import Reason
from jobs.crawl.curl_request import DNS_CACHE_S, FetchLimits
from jobs.crawl.fetch import Fetcher
from jobs.crawl.netguard import AddressPolicy
from jobs.tests.crawl.faultweb import FaultWeb, answer
from jobs.tests.crawl.fetching import code, fetch, fetch_one, fetcher_for, open_gate

_HOSTS = [f"127.0.2.{number}" for number in range(1, 9)]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate_for(_HOSTS, tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def port(certificate: Certificate) -> Iterator[int]:
    """An encrypted web at eight addresses."""
    with serving(photographs(None)[:1], latency_s=0, place=Place(addresses=_HOSTS, certificate=certificate)) as port:
        yield port


def fetcher_of(port: int, *, ca_bundle: str) -> Fetcher:
    own = frozenset(f"{host}:{port}" for host in _HOSTS)
    policy = AddressPolicy(allow_hosts=own)
    return Fetcher(
        limits=FetchLimits(max_attempts=1), policy=policy, user_agent="test", gate=open_gate(own), ca_bundle=ca_bundle
    )


def look_ups(fetcher: Fetcher) -> Counter[str]:
    """Counts look-ups of names that libcurl does not know, from now on."""
    begun = Counter[str]()

    def note() -> int:
        begun["look-up"] += 1
        return 0

    fetcher._same_for_all += ((pycurl.RESOLVER_START_FUNCTION, note),)
    return begun


def test_a_certificate_of_an_authority_that_the_operator_names_is_trusted(port: int, certificate: Certificate) -> None:
    fetcher = fetcher_of(port, ca_bundle=str(certificate.file))
    urls = [f"https://{_HOSTS[number % 8]}:{port}/p/{number}.jpg" for number in range(40)]
    assert set(map(code, fetch(fetcher, *urls).values())) == {"ok"}


def test_a_certificate_of_nobody_is_not_trusted(port: int) -> None:
    url = f"https://{_HOSTS[0]}:{port}/p/1.jpg"
    assert code(fetch_one(fetcher_of(port, ca_bundle=""), url)) == Reason.TLS_ERROR


def test_a_certificate_for_another_host_is_not_trusted(tmp_path: Path) -> None:
    other = certificate_for(["127.0.2.99"], tmp_path)
    with serving(photographs(None)[:1], latency_s=0, place=Place(addresses=_HOSTS[:1], certificate=other)) as another:
        url = f"https://{_HOSTS[0]}:{another}/p/1.jpg"
        assert code(fetch_one(fetcher_of(another, ca_bundle=str(other.file)), url)) == Reason.TLS_ERROR


def test_a_host_is_looked_up_once_for_all_its_pictures_and_calls(port: int, certificate: Certificate) -> None:
    fetcher = fetcher_of(port, ca_bundle=str(certificate.file))
    begun = look_ups(fetcher)
    for call in range(3):
        urls = [f"https://{_HOSTS[number % 8]}:{port}/p/{100 * call + number}.jpg" for number in range(24)]
        assert set(map(code, fetch(fetcher, *urls).values())) == {"ok"}
    assert begun["look-up"] == len(_HOSTS)
    assert (pycurl.DNS_CACHE_TIMEOUT, DNS_CACHE_S) in fetcher._same_for_all


def test_a_name_is_looked_up_once_even_where_connections_end(web: FaultWeb) -> None:
    urls = [web.on(f"/{number}", answer(b"picture", headers={"Connection": "close"})) for number in range(5)]
    named = [url.replace("127.0.0.1", "localhost") for url in urls]
    own = frozenset({f"localhost:{web.port}"})
    policy = AddressPolicy(allow_hosts=own)
    limits = FetchLimits(max_attempts=1, in_flight=1, max_in_flight=1)
    fetcher = Fetcher(limits=limits, policy=policy, user_agent="test", gate=open_gate(own))
    begun = look_ups(fetcher)
    assert set(map(code, fetch(fetcher, *named).values())) == {"ok"}
    assert begun["look-up"] == 1


def test_connections_of_more_hosts_than_requests_stay_open() -> None:
    webs = [FaultWeb() for _ in range(12)]
    try:
        fetcher = fetcher_for(*webs, max_in_flight=4)
        for call in range(3):
            urls = [web.on(f"/{call}", answer(b"picture")) for web in webs]
            assert set(map(code, fetch(fetcher, *urls).values())) == {"ok"}
        assert [web.connections for web in webs] == [1] * 12
    finally:
        for web in webs:
            web.close()
