"""Which range a network takes: one of deploy.yaml's, or one that the host routes nowhere else. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

__all__ = [
    "ROUTES_ARGV",
    "HostRoute",
    "crossing_routes",
    "dynamic_range",
    "free_subnets",
    "is_part_of",
    "parts_of",
    "read_routes",
]

_MAX_BYTES = 4 << 20
ROUTES_ARGV = ("head", "-c", str(_MAX_BYTES), "/proc/net/fib_trie")
"""Prints all routing tables of the host, those of VPNs too (proc_net(5))."""
_POOLS = tuple(map(IPv4Network, ("10.128.0.0/9", "172.16.0.0/12", "192.168.0.0/16")))
_LENGTH = 24
_SMALLEST = 27
_TRIED = 32
_SPLIT_DEFAULT = 1
"""VPNs replace the default route by its two halves, 0.0.0.0/1 and 128.0.0.0/1."""
_ADDRESS = re.compile(r"\|-- (\d+\.\d+\.\d+\.\d+)$")
_ROUTE = re.compile(r"/(\d+) \w+ ([A-Z]+)")


@dataclass(frozen=True, slots=True)
class HostRoute:
    """One route of a host; `kind` is the kernel's (UNICAST, LOCAL, BROADCAST, …)."""

    network: IPv4Network
    kind: str


def read_routes(text: str) -> tuple[HostRoute, ...]:
    """Read fib_trie; lines of another form are left out, and so are default routes."""
    routes: dict[HostRoute, None] = {}
    address = ""
    for line in text[:_MAX_BYTES].splitlines():
        if found := _ADDRESS.search(line):
            address = found[1]
        elif address and (found := _ROUTE.search(line)) and _SPLIT_DEFAULT < int(found[1]) <= 32:
            try:
                network = IPv4Network(f"{address}/{found[1]}")
            except ValueError:
                continue
            routes[HostRoute(network, found[2])] = None
    return tuple(routes)


def free_subnets(taken: Collection[str], routes: Collection[HostRoute]) -> Iterator[str]:
    """Yield ranges for a new network, best first.

    A cloud's network is larger than what a host in it routes: ranges come first from a block of
    private addresses of which the host uses nothing.

    Args:
        taken: subnets of the engine's networks.
    """
    networks = [IPv4Network(subnet) for subnet in taken if subnet and ":" not in subnet]
    foreign = [
        route.network
        for route in routes
        if not any(route.network.subnet_of(network) for network in networks)
    ]
    used = [*networks, *foreign]
    tried = 0
    for pool in sorted(_POOLS, key=lambda pool: any(pool.overlaps(route) for route in foreign)):
        for subnet in pool.subnets(new_prefix=_LENGTH):
            if any(subnet.overlaps(other) for other in used):
                continue
            yield str(subnet)
            tried += 1
            if tried == _TRIED:
                return


def parts_of(subnet: str, taken: Collection[str]) -> Iterator[str]:
    """Yield the free ranges of one that is divided between networks: 16 of a /20 or a /22, fewer of
    a smaller one.

    Args:
        taken: subnets of the engine's networks.
    """
    whole = IPv4Network(subnet)
    used = [IPv4Network(other) for other in taken if other and ":" not in other]
    length = max(_LENGTH, min(_SMALLEST, whole.prefixlen + 4))
    for part in whole.subnets(new_prefix=length):
        if not any(part.overlaps(other) for other in used):
            yield str(part)


def is_part_of(subnet: str, whole: str) -> bool:
    """Tell whether all addresses of a subnet are in another one."""
    return IPv4Network(subnet).subnet_of(IPv4Network(whole))


def crossing_routes(subnet: str, routes: Collection[HostRoute]) -> tuple[str, ...]:
    """Return the routes that lead elsewhere with addresses of a network that exists."""
    network = IPv4Network(subnet)
    return tuple(
        str(route.network)
        for route in routes
        if route.kind == "UNICAST" and route.network != network and route.network.overlaps(network)
    )


def dynamic_range(subnet: str) -> str:
    """Return the part of a subnet whose addresses Docker assigns itself: its last quarter, a /24 at
    most."""
    network = IPv4Network(subnet)
    return str(list(network.subnets(new_prefix=max(24, network.prefixlen + 2)))[-1])
