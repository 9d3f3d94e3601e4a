"""Parses the address at which people reach a service."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import urlsplit

__all__ = ["Url", "parse_url"]


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
