"""How checks open connections, and which addresses they may connect to."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Protocol

__all__ = ["AddressNotAllowed", "Dialer", "require_allowed"]

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_METADATA = ipaddress.IPv6Address("fd00:ec2::254")
"""Where AWS serves metadata over IPv6; a unique local address, not a link-local one.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html"""
_UNIX = "unix:"


class Dialer(Protocol):
    """Opens a stream to an address; the caller closes it."""

    def dial(self, host: str, port: int, timeout_seconds: float) -> socket.socket:
        """Connect within `timeout_seconds`; raise OSError (TimeoutError, ConnectionRefusedError,
        …) when that fails."""


class AddressNotAllowed(OSError):
    """Checks do not connect to this address."""


def require_allowed(address: str) -> None:
    """Refuse the addresses where clouds serve credentials to machines: link-local ones (RFC 3927,
    RFC 4291) and AWS's, also when mapped into IPv6.

    Names are refused too: the dialer would resolve them elsewhere, after this check. Sockets
    (``unix:PATH``) are allowed.

    Raises:
        AddressNotAllowed: with a message that names the address.
    """
    if address.startswith(_UNIX):
        return
    try:
        # A zone ("fe80::1%eth0") does not change what kind of address it is.
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        message = f"{address!r} is not an IP address"
        raise AddressNotAllowed(errno.EACCES, message) from None
    if _serves_metadata(parsed):
        message = f"{address} is a link-local address, where clouds serve credentials"
        raise AddressNotAllowed(errno.EACCES, message)


def _serves_metadata(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return _serves_metadata(address.ipv4_mapped)
        if address in _NAT64:
            return _serves_metadata(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        return address.is_link_local or address == _METADATA
    return address.is_link_local
