"""How a connection is opened: from here, or from wherever somebody else's dialer stands."""

from __future__ import annotations

import errno
import ipaddress
import socket
import threading
import time
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Dialer", "Direct", "LinkLocalRefused"]

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_METADATA = ipaddress.IPv6Address("fd00:ec2::254")
"""Where AWS answers over IPv6; it is not link-local but the same thing.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html"""


class Dialer(Protocol):
    """Opens a stream to an address; the caller closes it."""

    def dial(self, host: str, port: int, timeout_seconds: float) -> socket.socket:
        """Connect within `timeout_seconds`; raise OSError (TimeoutError, ConnectionRefusedError,
        …) when it does not come about."""


class LinkLocalRefused(OSError):
    """The address belongs to the machine's own link, where clouds serve credentials."""


@dataclass(frozen=True, slots=True)
class Direct:
    """Connects from this machine, never to a link-local address.

    The check is made on the very address that is connected to, after resolving, so that a name
    cannot point elsewhere in between. The range is RFC 3927's and RFC 4291's.
    """

    def dial(self, host: str, port: int, timeout_seconds: float) -> socket.socket:
        """Connect to the first address of `host` that accepts."""
        deadline = time.monotonic() + timeout_seconds
        failure: OSError = OSError(errno.EHOSTUNREACH, f"{host} has no address")
        for address in _resolve(host, timeout_seconds):
            if _is_link_local(ipaddress.ip_address(address)):
                raise LinkLocalRefused(errno.EACCES, f"{host} is the link-local address {address}")
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError(errno.ETIMEDOUT, "timed out")
            try:
                return socket.create_connection((address, port), remaining)
            except OSError as error:
                failure = error
        raise failure


def _resolve(host: str, timeout_seconds: float) -> tuple[str, ...]:
    """Return the addresses of a name; the system's resolver takes no timeout, a thread does."""
    try:
        return (str(ipaddress.ip_address(host)),)
    except ValueError:
        pass
    answer: list[tuple[str, ...] | OSError] = []

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            answer.append(error if isinstance(error, OSError) else OSError(str(error)))
        else:
            # A zone ("fe80::1%eth0") is only ever on a link-local address.
            names = (str(entry[4][0]) for entry in found)
            answer.append(tuple(dict.fromkeys(name.partition("%")[0] for name in names)))

    thread = threading.Thread(target=look_up, name=f"resolve {host}", daemon=True)
    thread.start()
    thread.join(timeout_seconds)
    if not answer:
        raise TimeoutError(errno.ETIMEDOUT, f"the name {host} was not resolved in time")
    result = answer[0]
    if isinstance(result, OSError):
        raise result
    return result


def _is_link_local(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_link_local(address.ipv4_mapped)
        if address in _NAT64:
            return _is_link_local(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        return address.is_link_local or address == _METADATA
    return address.is_link_local
