"""What every host has besides the services: network, volume, edge and the lock's container."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from deploy_action.clock import Clock
from deploy_action.config.model import EdgeOptions
from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.edge import artifact, upgrade
from deploy_action.platforms.docker.edge.subnets import (
    ROUTES_ARGV,
    HostRoute,
    dynamic_range,
    free_subnets,
    parts_of,
    read_routes,
)
from deploy_action.platforms.docker.engine.protocol import (
    ContainerSpec,
    Engine,
    NameTaken,
    NetworkSpec,
)

__all__ = [
    "edge_image",
    "ensure_edge",
    "ensure_edge_network",
    "ensure_image",
    "ensure_network",
    "free_addresses",
    "lock_spec",
    "look_at_network",
    "reader_argv",
    "renew_edge",
    "rights",
    "service_networks",
]

_SESSION = "/usr/local/bin/session"
LEASE_SECONDS = 30
_READY_SECONDS = 15.0
_OPEN_FILES = 1 << 18
"""HAProxy takes half as many connections at once; engines may give containers 1024 only."""
_ROUTES_SECONDS = 10.0
_EDGE_CAPABILITIES = ("CHOWN", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")
"""The master is root, and its workers are HAProxy's user: it has to become that user, to give it its
sockets, and to signal it. The lock and what only looks need no capability at all."""


def edge_image(options: EdgeOptions) -> str:
    """Return the name of the image of edge and lock."""
    return options.image or artifact.tag()


def lock_spec(options: EdgeOptions, name: str, labels: Mapping[str, str]) -> ContainerSpec:
    """Describe the lock's container: the state volume, the edge's network, an open input."""
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
        read_only=True,
        host_config=rights(),
    )


def reader_argv() -> tuple[str, ...]:
    """Return the command for a session inside the edge's container, which holds no lock."""
    return (_SESSION, "0")


def ensure_image(engine: Engine, options: EdgeOptions) -> None:
    """Provide the image of edge and lock; an existing one stays."""
    if options.image is None:
        engine.build_image(edge_image(options), str(artifact.DIRECTORY))
    elif engine.image(options.image) is None:
        engine.pull(options.image, None)


def ensure_network(
    engine: Engine, options: EdgeOptions, name: str, labels: Mapping[str, str]
) -> str:
    """Create a network unless it exists, and return its subnet.

    Args:
        name: the one of a service and environment (`EdgeOptions.network_of`), or the edge's own.
        labels: by which it is found again.
    """
    networks = engine.networks()
    if name in networks:
        return networks[name]
    if options.subnet is not None:
        candidates: Iterable[str] = parts_of(options.subnet, networks.values())
    else:
        ensure_image(engine, options)
        candidates = free_subnets(networks.values(), _host_routes(engine, options))
    for subnet in candidates:
        if engine.create_network(
            name, subnet=subnet, dynamic_range=dynamic_range(subnet), labels=labels
        ):
            return subnet
        if name in (networks := engine.networks()):
            return networks[name]
    if options.subnet is not None:
        raise DeploymentFailed(
            f"{engine.host}: there is no range left in edge.subnet {options.subnet} for the network "
            f"{name}: other networks of Docker have all of it",
            remedy="docker network inspect $(docker network ls -q) | grep Subnet; a wider edge.subnet "
            "has room for more",
            code=ErrorCode.ADDRESS_IN_USE,
        )
    raise DeploymentFailed(
        f"{engine.host}: no free subnet for the network {name}: the host has routes to all of them",
        remedy="set edge.subnet in deploy.yaml to a range of your own; ip route shows the others",
        code=ErrorCode.ADDRESS_IN_USE,
    )


def ensure_edge_network(engine: Engine, options: EdgeOptions) -> None:
    """Create the network at which an edge publishes its ports, where it is not the host's.

    Docker publishes a container's ports at the network whose name sorts first, and the names of the
    services' networks begin with this one: none of them disturbs the published ports.
    """
    if options.network != "host":
        ensure_network(engine, options, options.name, {"deploy-action.edge": options.name})


def service_networks(engine: Engine, options: EdgeOptions) -> tuple[str, ...]:
    """Return the names of all services' networks at an edge."""
    networks = engine.networks({"deploy-action.edge": options.name})
    return tuple(sorted(name for name in networks if name != options.name))


def _host_routes(engine: Engine, options: EdgeOptions) -> tuple[HostRoute, ...]:
    """Ask the host for its routes; an engine that gives no container the host's network has none
    that it would tell (user namespaces)."""
    return read_routes(look_at_network(engine, options, "host", ROUTES_ARGV))


def look_at_network(
    engine: Engine, options: EdgeOptions, network_mode: str, argv: Sequence[str]
) -> str:
    """Return what a command prints in a network, by a container of the edge's image that is gone
    afterwards; empty where the engine does not give it that network.

    Args:
        network_mode: "host", or "container:ID" for a container's own.
    """
    created = engine.create(
        ContainerSpec(
            name=f"{options.name}-look-{os.urandom(6).hex()}",
            image=edge_image(options),
            entrypoint=("sleep",),
            command=(str(LEASE_SECONDS),),
            labels={"deploy-action.edge": options.name, "deploy-action.kind": "look"},
            network_mode=network_mode,
            read_only=True,
            host_config=rights(),
        )
    )
    try:
        engine.start(created)
        return engine.execute(created, argv, timeout_seconds=_ROUTES_SECONDS).output
    except DeploymentFailed:
        return ""
    finally:
        engine.remove(created)


def free_addresses(subnet: str, taken: Collection[str]) -> Iterator[str]:
    """Yield the addresses that replicas may have, lowest first.

    The first address is the gateway's, and Docker assigns those of `dynamic_range` itself.
    """
    network = ipaddress.IPv4Network(subnet)
    dynamic = ipaddress.IPv4Network(dynamic_range(subnet))
    hosts = network.hosts()
    next(hosts)
    for address in hosts:
        if address in dynamic:
            return
        if str(address) not in taken:
            yield str(address)


def ensure_edge(engine: Engine, options: EdgeOptions, ports: Collection[int], clock: Clock) -> None:
    """Start the edge unless it runs; `renew_edge` replaces one that runs.

    Args:
        ports: published ports, where the edge does not use the host's network.
    """
    container = engine.container(options.name)
    if container is not None:
        upgrade.require_edge(engine, container)
    if container is not None and container.running:
        return None
    if upgrade.complete_replacement(engine, options, container):
        return _await_edge(engine, options, clock)
    if container is not None and upgrade.is_older(engine, options, container):
        # It does not run, so that there is nothing to hand over.
        engine.remove(container.id)
        container = None
    if container is None:
        try:
            services = () if options.network == "host" else service_networks(engine, options)
            upgrade.start_edge(engine, _edge_spec(options, ports, services))
        except NameTaken:
            return ensure_edge(engine, options, ports, clock)
    else:
        engine.start(container.id)
    return _await_edge(engine, options, clock)


def renew_edge(
    engine: Engine,
    options: EdgeOptions,
    clock: Clock,
    on_ready: Callable[[], None] = lambda: None,
) -> str:
    """Replace a running edge that is older than ours; return a note on what was done.

    Without the host's network only one container can publish a port: that edge stays until a user
    removes it, as `doctor` says.

    Args:
        on_ready: called when the new edge serves, while the old one still runs.
    """
    container = engine.container(options.name)
    if options.network != "host" or container is None or not container.running:
        return ""
    if not upgrade.is_older(engine, options, container):
        return ""
    try:
        return upgrade.replace_edge(
            engine, options, _edge_spec(options, ()), container, clock, on_ready
        )
    except DeploymentFailed as error:
        # A deployment works with the old edge too.
        return str(error)


def _edge_spec(
    options: EdgeOptions, ports: Collection[int], services: Sequence[str] = ()
) -> ContainerSpec:
    """Describe the edge; `services` are their networks, where it is not on the host's."""
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
        networks=()
        if host
        else tuple(NetworkSpec(name=name) for name in (options.name, *services)),
        publish={} if host else {port: port for port in ports},
        publish_at=options.bind,
        binds=(f"{options.name}:/state",),
        restart="unless-stopped",
        log_limit=True,
        open_files=_OPEN_FILES,
        read_only=True,
        # The socket of its own master.
        tmpfs=("/run:mode=755,size=1m",),
        host_config=rights(*_EDGE_CAPABILITIES),
    )


def rights(*capabilities: str) -> Mapping[str, object]:
    """Return the engine's options for a container with these capabilities and no other ones."""
    return {
        "CapDrop": ["ALL"],
        "CapAdd": list(capabilities),
        "SecurityOpt": ["no-new-privileges:true"],
    }


def _await_edge(engine: Engine, options: EdgeOptions, clock: Clock) -> None:
    if upgrade.wait_until(lambda: upgrade.serves(engine, options.name), clock, _READY_SECONDS):
        return
    logs = engine.logs(options.name, lines=20).strip()
    raise DeploymentFailed(f"{engine.host}: the edge did not start: {logs}")
