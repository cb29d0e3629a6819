"""How PIXCRAWLER_HOST_LIMITS is read."""

import pytest

from pixcrawler import env
from pixcrawler.env import ConfigurationError
from pixcrawler.host_limits import host_limits

NAME = "PIXCRAWLER_HOST_LIMITS"
FREE = frozenset({"127.0.0.2:9201", "[::1]:9201"})


def test_hosts_are_given_connections_and_seconds_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, " Example.org=4/0.2, 127.0.0.2:9201=2/0.5,[::1]:9201=1/3 ,8.8.8.8=1/0")
    assert host_limits(NAME, free_hosts=FREE) == {
        "example.org": (4, 0.2),
        "127.0.0.2:9201": (2, 0.5),
        "[::1]:9201": (1, 3.0),
        "8.8.8.8": (1, 0.0),
    }


def test_unset_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)
    assert host_limits(NAME, free_hosts=FREE) == {}


@pytest.mark.parametrize(
    "slip",
    [
        "example.org", "example.org=2", "example.org=2/", "example.org=/0.5", "example.org=0/0.5", "example.org=-1/0.5",
        "example.org=2/-1", "example.org=2/half", "example.org=2/1.2.3", "example.org=two/1", "=2/0.5", "a b=2/0.5",
        "https://example.org=2/0.5", "example.org=2/0.5;example.net=1/1", "example.org:=2/0.5", "[::1=2/0.5",
    ],
)  # fmt: skip
def test_a_slip_of_the_pen_is_one_sentence_with_what_to_write(monkeypatch: pytest.MonkeyPatch, slip: str) -> None:
    monkeypatch.setenv(NAME, slip)
    with pytest.raises(ConfigurationError, match=r"is not host=connections/seconds, such as example\.org=2/0\.5"):
        host_limits(NAME, free_hosts=FREE)


def test_a_port_is_only_for_hosts_that_are_named_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "example.org:443=2/0.5")
    with pytest.raises(ConfigurationError, match="PIXCRAWLER_ALLOW_HOSTS"):
        host_limits(NAME, free_hosts=FREE)


def test_no_connection_at_all_is_a_slip_of_the_pen_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXCRAWLER_HOST_CONNECTIONS", "0")
    with pytest.raises(ConfigurationError, match="nothing runs without one"):
        env.count("PIXCRAWLER_HOST_CONNECTIONS")
    monkeypatch.setenv("PIXCRAWLER_HOST_CONNECTIONS", "3")
    assert env.count("PIXCRAWLER_HOST_CONNECTIONS") == 3
