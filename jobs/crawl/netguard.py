"""Which network addresses may be dialled: only those that are plainly public, in whatever spelling.

`ipaddress.is_global` alone lets multicast, IPv4-compatible, NAT64, 6to4 and site-local addresses through, behind
which private hosts can stand. What is not listed as refused must still be global, and of IPv6 in the one block that
is given out for hosts (2000::/3).
"""

import ipaddress
from dataclasses import dataclass

from datasets.outcomes import Reason
from jobs.crawl.urls import InvalidUrl, host_and_parents, host_and_port, normalise

_IPV6_HOSTS = ipaddress.ip_network("2000::/3")

_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's host agent, on an address that looks public
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
)


def is_public(address: str) -> bool:
    """Whether a numeric address, as the socket shows it, is plainly public.

    False for anything unreadable, and for an address with a zone, which names a network card of this machine.
    """
    try:
        ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address)
    except ValueError:
        return False
    if "%" in address:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _IPV6_HOSTS:
        return False
    return ip.is_global and not any(ip in network for network in _REFUSED if network.version == ip.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """What may be dialled. `allow_hosts` are exact `host:port` pairs of the operator's own, the only exception.

    A host is written in lower case, as a normalised address has it: an IPv6 host in brackets. `blocked_domains` are
    hosts that the operator blocks, with everything below them.
    """

    allow_hosts: frozenset[str] = frozenset()
    allowed_ports: frozenset[int] = frozenset({80, 443})
    blocked_domains: frozenset[str] = frozenset()

    def is_own(self, host: str, port: int) -> bool:
        """Whether the operator named this host and port."""
        return f"{host}:{port}" in self.allow_hosts

    def is_blocked(self, host: str) -> bool:
        """Whether the operator blocks this host, or one that it lies below."""
        return bool(self.blocked_domains) and any(name in self.blocked_domains for name in host_and_parents(host))

    def allows_port(self, host: str, port: int) -> bool:
        return port in self.allowed_ports or self.is_own(host, port)

    def checked(self, url: str) -> str:
        """The address in its one spelling, if it may be asked for. Raises InvalidUrl."""
        spelled = normalise(url)
        host, port = host_and_port(spelled)
        if self.is_blocked(host):
            raise InvalidUrl(Reason.BLOCKED_DOMAIN, "The operator of this installation blocks the site.")
        if not self.allows_port(host, port):
            raise InvalidUrl(Reason.BLOCKED_PORT, f"Port {port} is not among those that are fetched from.")
        return spelled

    def allows_address(self, host: str, port: int, address: str) -> bool:
        """Whether `address`, which the host's name led to, may be dialled."""
        return is_public(address) or self.is_own(host, port)
