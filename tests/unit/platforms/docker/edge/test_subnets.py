"""The range of the edge's network: none that the host routes elsewhere."""

from __future__ import annotations

import dataclasses
from ipaddress import IPv4Network

import pytest
from tests.contract.bench import fake_bench

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.edge.host import ensure_network, free_addresses
from deploy_action.platforms.docker.edge.subnets import (
    HostRoute,
    crossing_routes,
    dynamic_range,
    free_subnets,
    parts_of,
    read_routes,
)

GOOGLE_CLOUD = """\
Main:
  +-- 0.0.0.0/0 3 0 4
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.128.0.0/29 2 0 2
        |-- 10.128.0.1
           /32 link UNICAST
        |-- 10.128.0.7
           /32 host LOCAL
     |-- 172.17.0.0
        /16 link UNICAST
Id 52:
     |-- 192.168.0.0
        /16 universe UNICAST
"""


def routes(*networks: str) -> tuple[HostRoute, ...]:
    return tuple(HostRoute(IPv4Network(network), "UNICAST") for network in networks)


def test_every_table_of_the_host_is_read_without_default_routes() -> None:
    """Those of VPNs have numbers; the halves of a default route are one, too."""
    halves = "  |-- 0.0.0.0\n     /1 universe UNICAST\n  |-- 128.0.0.0\n     /1 universe UNICAST\n"
    found = {str(route.network) for route in read_routes(GOOGLE_CLOUD + halves)}
    assert found == {"10.128.0.1/32", "10.128.0.7/32", "172.17.0.0/16", "192.168.0.0/16"}


@pytest.mark.parametrize("text", ["", "/20 link UNICAST", "|-- 300.1.1.1\n /20 link UNICAST", "\0"])
def test_what_is_no_table_has_no_routes(text: str) -> None:
    """A host's answer is input."""
    assert read_routes(text) == ()


def test_a_cloud_is_left_alone_beyond_what_its_host_routes() -> None:
    """Google's network is 10.128.0.0/9, of which a host routes one address: another block is taken."""
    taken = {"bridge": "172.17.0.0/16"}
    assert next(free_subnets(taken.values(), read_routes(GOOGLE_CLOUD))) == "172.16.0.0/24"


@pytest.mark.parametrize(
    ("known", "first"),
    [
        ((), "10.128.0.0/24"),
        (("192.168.1.0/24",), "10.128.0.0/24"),
        (("10.0.0.0/8",), "172.16.0.0/24"),
        (("10.0.0.0/8", "172.16.0.0/12"), "192.168.0.0/24"),
        (("10.128.0.0/24", "172.31.0.0/16", "192.168.1.0/24"), "10.128.1.0/24"),
    ],
)
def test_no_range_has_a_route_in_it_or_around_it(known: tuple[str, ...], first: str) -> None:
    """Large routes and small ones, from a block of its own where there is one."""
    assert next(free_subnets((), routes(*known))) == first


def test_there_may_be_no_range() -> None:
    """Where all private addresses lead somewhere."""
    everything = routes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    assert list(free_subnets((), everything)) == []


def test_own_routes_are_no_trouble() -> None:
    """The kernel's for the network itself and for our own addresses."""
    own = read_routes("|-- 10.128.0.0\n /20 link UNICAST\n|-- 10.128.0.1\n /32 host LOCAL\n")
    assert crossing_routes("10.128.0.0/20", own) == ()
    assert crossing_routes("10.128.0.0/20", routes("10.128.0.9/32")) == ("10.128.0.9/32",)


@pytest.mark.parametrize(
    "subnet", ["10.0.0.0/16", "172.30.0.0/20", "172.30.0.0/24", "172.30.0.0/27"]
)
def test_replicas_and_docker_share_a_range_of_any_length(subnet: str) -> None:
    """Replicas have the first addresses, Docker the last ones."""
    dynamic = IPv4Network(dynamic_range(subnet))
    assert dynamic.subnet_of(IPv4Network(subnet))
    addresses = list(free_addresses(subnet, ()))
    assert len(addresses) >= 22
    assert not any(IPv4Network(address).subnet_of(dynamic) for address in addresses)


@pytest.mark.parametrize(
    ("subnet", "count", "last"),
    [
        ("172.30.0.0/16", 256, "172.30.255.0/24"),
        ("172.30.0.0/20", 16, "172.30.15.0/24"),
        ("172.30.0.0/22", 16, "172.30.3.192/26"),
        ("172.30.0.0/26", 2, "172.30.0.32/27"),
    ],
)
def test_a_range_is_divided_between_services(subnet: str, count: int, last: str) -> None:
    """Each part has room for the replicas of one, kept releases included."""
    parts = list(parts_of(subnet, ["10.0.0.0/8", "fd00::/8", ""]))
    assert (len(parts), parts[-1]) == (count, last)
    assert list(parts_of(subnet, parts[:-1])) == [last]


def test_the_range_of_deploy_yaml_is_taken() -> None:
    """Each service gets a part of it, and the deployment fails where nothing is left."""
    with fake_bench() as bench:
        options = dataclasses.replace(bench.options, subnet="172.30.0.0/26")
        names = [options.network_of("shop", environment) for environment in ("a", "b", "c")]
        given = [ensure_network(bench.engine, options, name, {}) for name in (*names[:2], names[0])]
        assert given == ["172.30.0.0/27", "172.30.0.32/27", "172.30.0.0/27"]
        with pytest.raises(DeploymentFailed) as refused:
            ensure_network(bench.engine, options, names[2], {})
        assert refused.value.code is ErrorCode.ADDRESS_IN_USE
