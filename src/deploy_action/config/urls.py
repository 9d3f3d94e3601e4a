"""Addresses at which people reach a service, and when two of them are one place of an edge."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import urlsplit

__all__ = ["Place", "Url", "parse_url", "place_of", "without_dot"]

Place = tuple[str, str]
"""Host name and path, each in one way of writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """The parts of a url that define a route; missing ones are empty or None."""

    scheme: str = ""
    host: str = ""
    port: int | None = None
    path: str = ""


def parse_url(text: str) -> Url:
    """Parse a url.

    Raises:
        ValueError: its port or its IPv6 address is impossible.
    """
    parts = urlsplit(text)
    if parts.port == 0:
        raise ValueError("port 0 cannot be reached")
    host = parts.hostname or ""
    if ":" in host:
        # As clients write it in the Host header.
        host = f"[{IPv6Address(host)}]"
    return Url(scheme=parts.scheme, host=host, port=parts.port, path=parts.path)


def without_dot(name: str) -> str:
    """Return a host name in one way of writing: the dot of the root changes nothing (RFC 3986, 3.2.2)."""
    return name.lower().rstrip(".")


def place_of(host: str, path: str) -> Place:
    """Return the place of an edge's port that a route has: `/shop` and `/shop/` are one."""
    return without_dot(host), path.rstrip("/")
