"""What an address lies in: itself, the addresses that it begins with, its host and the hosts above.

Scheme and port's default play no part: who is asked to leave http://example.org/a out leaves https://example.org/a out.
"""

from jobs.crawl.urls import host_and_parents, host_and_port, normalise

#: An address has rarely 40 places where a prefix can end; one with more is looked up by its first ones.
_MAX_PREFIXES = 200


def address(url: str) -> str:
    """The address without its scheme, in one spelling. Raises InvalidUrl."""
    return normalise(url).partition("://")[2]


def hosts(url: str) -> tuple[str, ...]:
    """The host of an address and those above it. Raises InvalidUrl."""
    return host_and_parents(host_and_port(normalise(url))[0])


def prefixes(url: str) -> list[str]:
    """What the address begins with, as far as a word ends there. Raises InvalidUrl.

    example.org/u/ann-1 begins with example.org/u and example.org/u/ann-, but not with example.org/u/an.
    """
    text = address(url)
    start = text.index("/")
    ends = (
        end
        for end in range(start + 1, len(text) + 1)
        if end == len(text) or not (text[end - 1].isalnum() and text[end].isalnum())
    )
    return [text[:end] for end, _ in zip(ends, range(_MAX_PREFIXES), strict=False)]
