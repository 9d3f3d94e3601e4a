"""What stands on every host besides the services: network, volume, edge and the lock's container."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterator, Mapping

from deploy_action.clock import Clock
from deploy_action.config.model import EdgeOptions
from deploy_action.errors import DeploymentFailed
from deploy_action.platforms.docker.edge import artifact, upgrade
from deploy_action.platforms.docker.engine.protocol import (
    ContainerSpec,
    Engine,
    NameTaken,
    NetworkSpec,
)

__all__ = [
    "edge_image",
    "ensure_edge",
    "ensure_image",
    "ensure_network",
    "free_addresses",
    "lock_spec",
    "reader_argv",
    "renew_edge",
]

_SESSION = "/usr/local/bin/session"
LEASE_SECONDS = 30
_READY_SECONDS = 15.0
_SUBNETS = ipaddress.ip_network("10.128.0.0/9")


def edge_image(options: EdgeOptions) -> str:
    """Name the image of edge and lock."""
    return options.image or artifact.tag()


def lock_spec(options: EdgeOptions, name: str, labels: Mapping[str, str]) -> ContainerSpec:
    """Describe the lock's container: the state volume, the host's network, an open input."""
    return ContainerSpec(
        name=name,
        image=edge_image(options),
        entrypoint=(_SESSION,),
        command=(str(LEASE_SECONDS),),
        labels={"deploy-action.edge": options.name, "deploy-action.kind": "lock"} | dict(labels),
        network_mode="host" if options.network == "host" else None,
        networks=() if options.network == "host" else (NetworkSpec(name=options.name),),
        binds=(f"{options.name}:/state",),
        stdin=True,
        remove_at_end=True,
        log_limit=True,
    )


def reader_argv() -> tuple[str, ...]:
    """Return the command that only reads, run inside the edge's container."""
    return (_SESSION, "0")


def ensure_image(engine: Engine, options: EdgeOptions) -> None:
    """Have the image of edge and lock on the host; what is there stays as it is."""
    if options.image is None:
        engine.build_image(edge_image(options), str(artifact.DIRECTORY))
    elif engine.image(options.image) is None:
        engine.pull(options.image, None)


def ensure_network(engine: Engine, name: str) -> str:
    """Have the network of replicas on the host, and return its subnet."""
    networks = engine.networks()
    if name in networks:
        return networks[name]
    for network in _free_subnets(networks.values()):
        subnet, dynamic = str(network), list(network.subnets(new_prefix=24))[-1]
        if engine.create_network(name, subnet=subnet, dynamic_range=str(dynamic)):
            return subnet
        if name in (now := engine.networks()):
            return now[name]
    raise DeploymentFailed(
        f"{engine.host}: no free subnet for the network {name} in {_SUBNETS}",
        remedy=f"create it by hand: docker network create --subnet … --ip-range … {name}",
    )


def _free_subnets(taken: Collection[str]) -> Iterator[ipaddress.IPv4Network]:
    used = [ipaddress.ip_network(subnet) for subnet in taken if subnet and ":" not in subnet]
    found = 0
    for subnet in _SUBNETS.subnets(new_prefix=20):
        if not any(subnet.overlaps(other) for other in used):
            yield subnet  # type: ignore[misc]
            found += 1
        if found == 32:
            return


def free_addresses(subnet: str, taken: Collection[str]) -> Iterator[str]:
    """Walk the addresses of our network that replicas may have, lowest first.

    The first address is the gateway's; the last /24 is Docker's own to hand out.
    """
    network = ipaddress.IPv4Network(subnet)
    dynamic = list(network.subnets(new_prefix=max(24, network.prefixlen + 1)))[-1]
    hosts = network.hosts()
    next(hosts)
    for address in hosts:
        if address in dynamic:
            return
        if str(address) not in taken:
            yield str(address)


def ensure_edge(engine: Engine, options: EdgeOptions, ports: Collection[int], clock: Clock) -> None:
    """Have the edge running; one that runs is left alone (`renew_edge` replaces it).

    Args:
        ports: where it must listen, needed only where it cannot have the host's network.
    """
    found = engine.container(options.name)
    if found is not None and "deploy-action.edge" not in found.labels:
        raise DeploymentFailed(
            f"{engine.host}: the name {options.name} is taken by a container that is not an edge",
            remedy="set edge.name in deploy.yaml to another name",
        )
    if found is not None and found.running:
        return None
    if upgrade.finish(engine, options, found):
        return _await_edge(engine, options, clock)
    if found is not None and upgrade.is_older(engine, options, found):
        # It serves nobody, so that there is nothing to hand over.
        engine.remove(found.id)
        found = None
    if found is None:
        try:
            created = engine.create(_edge_spec(options, ports))
        except NameTaken:
            return ensure_edge(engine, options, ports, clock)
        engine.start(created)
    else:
        engine.start(found.id)
    return _await_edge(engine, options, clock)


def renew_edge(
    engine: Engine, options: EdgeOptions, clock: Clock, begun: Callable[[], None] = lambda: None
) -> str:
    """Replace an edge that runs and is older than ours; return what was done, in words.

    Without the host's network a port can be published by one container only: there the edge stays
    as it is, which `doctor` tells, until somebody removes it at a quiet hour.
    """
    found = engine.container(options.name)
    if found is None or not found.running or not upgrade.is_older(engine, options, found):
        return ""
    if options.network != "host":
        return ""
    try:
        return upgrade.replace_edge(engine, options, _edge_spec(options, ()), found, clock, begun)
    except DeploymentFailed as error:
        # A deployment is no worse off with the edge that it had.
        return str(error)


def _edge_spec(options: EdgeOptions, ports: Collection[int]) -> ContainerSpec:
    host = options.network == "host"
    return ContainerSpec(
        name=options.name,
        image=edge_image(options),
        labels={
            "deploy-action.edge": options.name,
            "deploy-action.kind": "edge",
            upgrade.REVISION: str(artifact.revision()),
        },
        network_mode="host" if host else None,
        networks=() if host else (NetworkSpec(name=options.name),),
        publish={} if host else {port: port for port in ports},
        binds=(f"{options.name}:/state",),
        restart="unless-stopped",
        log_limit=True,
    )


def _await_edge(engine: Engine, options: EdgeOptions, clock: Clock) -> None:
    if upgrade.until(lambda: upgrade.serves(engine, options.name), clock, _READY_SECONDS):
        return
    said = engine.logs(options.name, lines=20)
    raise DeploymentFailed(f"{engine.host}: the edge did not start: {said.strip()}")
