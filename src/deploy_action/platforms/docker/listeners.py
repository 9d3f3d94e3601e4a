"""What listens in a container's network, as its kernel says it: for whom a port was mistaken."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from typing import TYPE_CHECKING

from deploy_action.errors import DeployActionError
from deploy_action.platforms.docker.edge.host import look_at_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy_action.platforms.docker.host import Host
    from deploy_action.platforms.docker.replicas import Replica

__all__ = ["explain_port", "read_listeners"]

_MAX_BYTES = 64 * 1024
_ARGV = ("head", "-q", "-c", str(_MAX_BYTES), "/proc/net/tcp", "/proc/net/tcp6")
_LISTEN = "0A"
_LINE = re.compile(r"\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) \S+ (\w\w) ")
_DOCKER_DNS = ipaddress.ip_address("127.0.0.11")


def read_listeners(text: str) -> tuple[tuple[str, int], ...]:
    """Return address and port of each listening socket in the kernel's tables (proc_net(5));
    the address is ``*`` for every one."""
    found: dict[tuple[str, int], None] = {}
    for line in text[: 2 * _MAX_BYTES].splitlines():
        match = _LINE.match(line)
        if match is None or match[3] != _LISTEN:
            continue
        # Each word of four bytes is in the order of the processor, which is the little-endian one
        # on all that Docker supports but s390x.
        words = [bytes.fromhex(match[1][i : i + 8])[::-1] for i in range(0, len(match[1]), 8)]
        address = ipaddress.ip_address(b"".join(words))
        if address != _DOCKER_DNS:
            found["*" if address.is_unspecified else str(address), int(match[2], 16)] = None
    return tuple(found)


def explain_port(host: Host, replica: Replica) -> str:
    """Say what listens in a replica and what its image exposes, where that differs from the port
    that deploy.yaml names; empty where it does not, or cannot be known."""
    with contextlib.suppress(DeployActionError):
        text = look_at_network(
            host.engine, host.placement.edge, f"container:{replica.container.id}", _ARGV
        )
        if text and not read_listeners(text):
            return "nothing listens in its container yet: it may still be starting"
        image = host.engine.image(replica.image)
        return describe(replica.port, read_listeners(text), () if image is None else image.ports)
    return ""


def describe(port: int, listeners: Sequence[tuple[str, int]], exposed: Sequence[int]) -> str:
    """Return a sentence with the port that was asked for and those that are there."""
    here = [address for address, number in listeners if number == port]
    if not listeners or "*" in here:
        return ""
    exposes = f"; the image exposes {', '.join(map(str, exposed))}" if exposed else ""
    if here:
        return (
            f"it listens on {here[0]}:{port} alone, which nothing outside of its container reaches; "
            "have it listen on 0.0.0.0"
        )
    there = ", ".join(f"{address}:{number}" for address, number in sorted(listeners)[:5])
    return f"nothing listens on {port}; the application listens on {there}{exposes}"
