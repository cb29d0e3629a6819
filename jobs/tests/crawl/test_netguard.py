"""Only plainly public addresses are dialled, in whatever spelling."""

import pytest

from jobs.crawl.netguard import AddressPolicy, is_public

REFUSED = [
    # this machine
    "127.0.0.1", "127.1.2.3", "127.255.255.255", "0.0.0.0", "0.1.2.3", "::1", "::",
    "::ffff:127.0.0.1", "::ffff:7f00:1", "0:0:0:0:0:ffff:127.0.0.1", "::127.0.0.1", "::7f00:1", "::ffff:0.0.0.0",
    # private networks
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255",
    "::ffff:10.0.0.1", "::ffff:192.168.1.1", "::ffff:172.16.0.1", "::10.0.0.1", "fc00::1", "fd12:3456:789a::1",
    # carriers, clouds and their metadata
    "100.64.0.1", "100.100.100.200", "100.127.255.255", "::ffff:100.64.0.1", "169.254.169.254", "169.254.0.1",
    "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "168.63.129.16", "::ffff:168.63.129.16", "192.0.0.1", "192.0.0.192",
    "fd00:ec2::254",
    # link-local and site-local, with a zone too
    "fe80::1", "fe80::1%eth0", "fe80::1%25", "2606:4700:4700::1111%eth0", "febf::1", "fec0::1", "feff::1",
    # translation and tunnels, behind which a private host can stand
    "64:ff9b::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1",
    "2002:808:808::", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "::ffff:0:127.0.0.1", "::ffff:0:7f00:1",
    # many at once, nobody, or not given out
    "224.0.0.1", "232.1.1.1", "239.255.255.255", "ff02::1", "ff0e::1", "255.255.255.255", "240.0.0.1", "100::1",
    "4000::1", "8000::1", "5f00::1",
    # documentation and measurement
    "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255", "192.88.99.1", "2001:db8::1",
    "3fff::1",
    # no addresses as a socket shows them
    "0177.0.0.1", "0x7f.0.0.1", "2130706433", "127.1", "017700000001", "localhost", "", "1.2.3.4.5", "[::1]",
    "127.0.0.1 ", "１２７.0.0.1", "8.8.8.8/32",
]  # fmt: skip

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
    "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
    "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
    "::ffff:8.8.8.8", "::ffff:808:808", "2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450:4001::1",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_plainly_public_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert is_public(address)


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len(set(REFUSED)) >= 60


def test_the_operators_own_host_and_port_are_the_only_exception() -> None:
    policy = AddressPolicy(allow_hosts=frozenset({"127.0.0.1:9100", "[::1]:9200", "intranet:80"}))
    assert policy.allows_address("127.0.0.1", 9100, "127.0.0.1")
    assert policy.allows_address("[::1]", 9200, "::1")
    assert policy.allows_address("intranet", 80, "10.0.0.7")
    assert not policy.allows_address("127.0.0.1", 9101, "127.0.0.1")
    assert not policy.allows_address("localhost", 9100, "127.0.0.1")
    assert not policy.allows_address("intranet", 443, "10.0.0.7")
    assert policy.allows_address("example.org", 80, "8.8.8.8")
    assert not policy.allows_address("example.org", 80, "10.0.0.7")


def test_ports_other_than_the_webs_are_for_the_operators_own_hosts() -> None:
    policy = AddressPolicy(allow_hosts=frozenset({"127.0.0.1:9100"}))
    assert policy.allows_port("example.org", 80)
    assert policy.allows_port("example.org", 443)
    assert policy.allows_port("127.0.0.1", 9100)
    assert not policy.allows_port("example.org", 9100)
    assert not policy.allows_port("example.org", 22)
