"""The name by which containers on a user's network reach a service, whichever release serves.

Docker gives a name to a container, and cannot move it to another one without closing connections. So the
name belongs to a small container that stays over deployments: it passes connections to the edge, by a
socket in the state volume, and the edge sends them where it sends all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.edge.host import edge_image, rights
from deploy_action.platforms.docker.edge.state import name_socket
from deploy_action.platforms.docker.engine.protocol import ContainerSpec, NameTaken, NetworkSpec

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.platforms.docker.engine.protocol import Container
    from deploy_action.platforms.docker.host import Host
    from deploy_action.platforms.docker.replicas import Placement

__all__ = ["carriers", "keep_names", "remove_names", "require_names"]

_NETWORK = "deploy-action.network"
_PORT = "deploy-action.port"
_STOP_SECONDS = 5.0
_NOBODY = "65534:65534"
"""It reaches the socket in the state volume, and reads no certificate or ledger there."""
# The edge ends connections. Without it, as while it restarts, a new connection waits for half a minute.
_CONFIGURATION = """\
defaults
  mode tcp
  timeout connect 5s
  timeout client 20d
  timeout server 20d
  retries 30
listen name
  bind :{port}
  .if streq("$IPV6",1)
  bind [::]:{port} v6only
  .endif
  server edge unix@{socket} send-proxy-v2
"""
_SCRIPT = (
    "[ ! -e /proc/net/if_inet6 ] || export IPV6=1\n"
    'exec haproxy -db -f <(printf %s "$CONFIGURATION")'
)


def require_names(host: Host, configuration: Environment) -> None:
    """Make sure, before anything starts, that nobody else has a name that deploy.yaml asks for.

    Raises:
        DeploymentFailed: another container has it.
    """
    if configuration.network_alias is not None:
        for network in _wanted(host.placement, configuration):
            taken = _taken(host, configuration, network)
            if taken is not None:
                raise taken


def keep_names(host: Host, configuration: Environment) -> tuple[str, ...]:
    """Have the service reached by its name on every network of a release, and by no other one.

    Returns remarks on names that others have, where deploy.yaml did not ask for them.

    Raises:
        DeploymentFailed: a container does not start.
    """
    wanted = _wanted(host.placement, configuration)
    there: set[str] = set()
    for container in host.engine.containers(host.placement.selector("name")):
        network = container.labels.get(_NETWORK, "")
        if network in wanted and _is(container, wanted[network]):
            there.add(network)
            if not container.running:
                host.session.ping()
                host.engine.start(container.id)
        else:
            _remove(host, container)
    return tuple(
        remark
        for network, spec in wanted.items()
        if network not in there
        for remark in _begin(host, configuration, network, spec)
    )


def carriers(host: Host, configuration: Environment) -> Mapping[str, Container | None]:
    """Return what carries the name on each network; nothing of a default name that others have."""
    found: dict[str, Container | None] = dict.fromkeys(_wanted(host.placement, configuration))
    for container in host.engine.containers(host.placement.selector("name")):
        network = container.labels.get(_NETWORK, "")
        if network in found:
            found[network] = container
    asked_for = configuration.network_alias is not None
    return {
        network: container
        for network, container in found.items()
        if container is not None or asked_for or _taken(host, configuration, network) is None
    }


def remove_names(host: Host) -> None:
    """Take the names of a service away."""
    for container in host.engine.containers(host.placement.selector("name")):
        _remove(host, container)


def _wanted(placement: Placement, configuration: Environment) -> Mapping[str, ContainerSpec]:
    """Describe one container for each network on which the service has a name."""
    if not configuration.alias:
        return {}
    return {name: _spec(placement, configuration, name) for name in configuration.networks}


def _spec(placement: Placement, configuration: Environment, network: str) -> ContainerSpec:
    alias, edge = configuration.alias, placement.edge
    script = _CONFIGURATION.format(port=configuration.port, socket=name_socket(placement.backend))
    return ContainerSpec(
        # The engine lets one container have it: two services cannot take a name at the same time.
        # An alias has no underscore, so that no two pairs make the same name.
        name=f"deploy-action-name_{alias}_{network}",
        image=edge_image(edge),
        entrypoint=("bash", "-c", _SCRIPT),
        env={"CONFIGURATION": script},
        labels=placement.selector("name") | {_NETWORK: network, _PORT: str(configuration.port)},
        networks=(NetworkSpec(name=network, aliases=(alias,)),),
        binds=(f"{edge.name}:/state:ro",),
        restart="unless-stopped",
        stop_signal="SIGUSR1",
        log_limit=True,
        user=_NOBODY,
        read_only=True,
        host_config=rights(),
    )


def _is(container: Container, spec: ContainerSpec) -> bool:
    return container.name == spec.name and container.labels.get(_PORT) == spec.labels[_PORT]


def _begin(
    host: Host, configuration: Environment, network: str, spec: ContainerSpec
) -> Iterator[str]:
    taken = _taken(host, configuration, network)
    if taken is None:
        try:
            host.session.ping()
            created = host.engine.create(spec)
        except NameTaken:
            taken = _refusal(host, configuration, network, spec.name)
        else:
            host.engine.start(created)
            return
    if configuration.network_alias is not None:
        raise taken
    yield f"{taken.what}, so this service has no name there; network_alias gives it another one"


def _taken(host: Host, configuration: Environment, network: str) -> DeploymentFailed | None:
    """Return why a name cannot be had; None where it is free, or ours already."""
    placement, alias = host.placement, configuration.alias
    for holder, names in host.engine.network_names(network).items():
        if alias in names:
            container = host.engine.container(holder)
            ours = placement.selector("name").items()
            if container is not None and not ours <= container.labels.items():
                return _refusal(host, configuration, network, holder)
    return None


def _refusal(host: Host, configuration: Environment, network: str, holder: str) -> DeploymentFailed:
    return DeploymentFailed(
        f"{host.name}: {holder} has the name {configuration.alias} on network {network}",
        cause="Docker would send connections to both in turn",
        remedy="set network_alias in deploy.yaml to another name, or to false for none",
        code=ErrorCode.NAME_TAKEN,
    )


def _remove(host: Host, container: Container) -> None:
    host.session.ping()
    if container.running:
        host.engine.stop(container.id, timeout_seconds=_STOP_SECONDS)
    host.engine.remove(container.id)
