"""A release as containers: their names, labels and descriptions, and the labels read back."""

from __future__ import annotations

import dataclasses
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from deploy_action.config.model import EdgeOptions, Environment, Hook, Limits
from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.container_options import host_config
from deploy_action.platforms.docker.edge.state import Backend, Check, Server, backend_name
from deploy_action.platforms.docker.engine.protocol import Container, ContainerSpec, NetworkSpec
from deploy_action.releases.model import Release, Role

if TYPE_CHECKING:
    from deploy_action.inputs import Secret

__all__ = [
    "EPHEMERAL_LABEL",
    "Placement",
    "Replica",
    "backend_for",
    "hook_spec",
    "name_of",
    "of_release",
    "replica_spec",
    "task_spec",
    "with_traffic",
]

_PREFIX = "deploy-action."
EPHEMERAL_LABEL = f"{_PREFIX}ephemeral"
"""Paths whose anonymous volumes go with the container, joined by colons, which none contains."""
_FORMAT = "1"
"""Version of the labels; containers with another one are not read."""
_NAME_UNSAFE = re.compile(r"[^a-zA-Z0-9_.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Which service in which environment is meant, and the edge that it shares on its hosts."""

    service: str
    environment: str
    edge: EdgeOptions

    @classmethod
    def of(cls, environment: Environment) -> Placement:
        """Return where deploy.yaml puts an environment today."""
        return cls(service=environment.service, environment=environment.name, edge=environment.edge)

    @property
    def network(self) -> str:
        """Name of the network that only its containers and the edge are on."""
        return self.edge.network_of(self.service, self.environment)

    @property
    def labels(self) -> dict[str, str]:
        """The labels that say whose something is."""
        return {
            f"{_PREFIX}edge": self.edge.name,
            f"{_PREFIX}service": self.service,
            f"{_PREFIX}environment": self.environment,
        }

    @property
    def backend(self) -> str:
        """Name of the environment's backend in the edge."""
        return backend_name(self.service, self.environment)

    def selector(
        self, kind: Literal["replica", "hook", "task", "name"] = "replica"
    ) -> dict[str, str]:
        """Return the labels by which the environment's containers are found."""
        return self.labels | {f"{_PREFIX}kind": kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A container of the service, with what its labels say.

    Attributes:
        image: the image's reference, by digest.
        number: number of the deployment that created it.
        role, index: which copy of which role it is.
    """

    container: Container
    release: str
    version: str
    image: str
    number: int
    role: str
    index: int
    port: int

    @property
    def name(self) -> str:
        """The container's name, which is also its server's name in the edge."""
        return self.container.name

    @property
    def is_up(self) -> bool:
        """True where it runs to stay; False where it was asked to end and is still stopping."""
        return self.container.running and self.container.restart == "unless-stopped"

    @classmethod
    def read(cls, container: Container) -> Replica:
        """Read the labels that `replica_spec` wrote."""
        labels = container.labels
        return cls(
            container=container,
            release=labels.get(f"{_PREFIX}release", ""),
            version=labels.get(f"{_PREFIX}version", ""),
            image=labels.get(f"{_PREFIX}image", ""),
            number=int(labels.get(f"{_PREFIX}deployment", "0")),
            role=labels.get(f"{_PREFIX}role", "web"),
            index=int(labels.get(f"{_PREFIX}replica", "0")),
            port=int(labels.get(f"{_PREFIX}port", "0")),
        )

    def address(self, placement: Placement) -> str:
        """Return its fixed address on the network where the edge reaches it."""
        return self.container.addresses.get(self.network(placement), "")

    def network(self, placement: Placement) -> str:
        """Return the network where the edge reaches it: once all services shared the edge's own."""
        shared = placement.edge.name
        is_old = placement.network not in self.container.addresses
        return shared if is_old and shared in self.container.addresses else placement.network


def name_of(placement: Placement, version: str, number: int, role: str, index: int) -> str:
    """Name a container so that a person can read it: service, environment, version, attempt.

    Args:
        role: empty for the first role of a release, which is left out.
    """
    readable = _NAME_UNSAFE.sub("-", version)[:40].strip("-.") or "v"
    stem = f"{placement.service}_{placement.environment}_{readable}_{number}"
    edge = placement.edge.name
    # Names of services, environments and edges have neither a dot nor an underscore.
    prefix = "" if edge == "deploy-action" else f"{edge}."
    suffix = (f"_{role}" if role else "") + (f"_{index}" if index else "")
    return f"{prefix}{stem}{suffix}"


def replica_spec(
    placement: Placement,
    release: Release,
    role: Role,
    *,
    number: int,
    index: int,
    address: str,
    secrets: Mapping[str, Secret],
) -> ContainerSpec:
    """Describe one replica of a release: a candidate, which the engine never restarts.

    Args:
        address: fixed address on the environment's network.
        secrets: value of every declared secret: for a variable, or for a file.
    """
    configuration = release.configuration
    first = NetworkSpec(name=placement.network, address=address)
    role_in_name = "" if role == release.roles[0] else role.name
    return _spec(
        placement,
        release,
        name=name_of(placement, release.version, number, role_in_name, index),
        secrets=secrets,
        networks=(first, *(NetworkSpec(name=name) for name in configuration.networks)),
        entrypoint=configuration.entrypoint,
        command=configuration.command,
        labels=placement.selector()
        | {
            f"{_PREFIX}deployment": str(number),
            f"{_PREFIX}role": role.name,
            f"{_PREFIX}replica": str(index),
            f"{_PREFIX}port": str(configuration.port or 0),
        },
    )


def hook_spec(
    placement: Placement,
    release: Release,
    hook: Hook,
    *,
    number: int,
    secrets: Mapping[str, Secret],
) -> ContainerSpec:
    """Describe a one-off container of the new image that runs a hook."""
    label = _NAME_UNSAFE.sub("-", hook.name)
    return _spec(
        placement,
        release,
        name=f"{name_of(placement, release.version, number, '', 0)}_hook_{label}",
        secrets=secrets,
        networks=_networks(placement, release),
        # What `run` says is what runs, whatever the image's own entry point is.
        entrypoint=hook.command[:1],
        command=hook.command[1:],
        labels=placement.selector("hook") | {f"{_PREFIX}deployment": str(number)},
    )


def task_spec(
    placement: Placement,
    release: Release,
    argv: tuple[str, ...],
    *,
    name: str,
    secrets: Mapping[str, Secret],
    bare: bool,
) -> ContainerSpec:
    """Describe a one-off container of a release that runs a command.

    Args:
        name: tells it apart from others at the same time.
        bare: run the command as it is, not by the image's entry point.
    """
    return _spec(
        placement,
        release,
        name=f"{name_of(placement, release.version, 0, '', 0)}_task_{name}",
        secrets=secrets,
        networks=_networks(placement, release),
        entrypoint=argv[:1] if bare else release.configuration.entrypoint,
        command=argv[1:] if bare else argv,
        labels=placement.selector("task"),
    )


def _networks(placement: Placement, release: Release) -> tuple[NetworkSpec, ...]:
    names = (placement.network, *release.configuration.networks)
    return tuple(NetworkSpec(name=name) for name in names)


def _spec(
    placement: Placement,
    release: Release,
    *,
    name: str,
    secrets: Mapping[str, Secret],
    networks: tuple[NetworkSpec, ...],
    entrypoint: tuple[str, ...] | None,
    command: tuple[str, ...] | None,
    labels: Mapping[str, str],
) -> ContainerSpec:
    configuration = release.configuration
    identity = {"DEPLOY_VERSION": release.version, "DEPLOY_ENVIRONMENT": placement.environment}
    values = _secret_values(release, secrets)
    in_files = {name: path for name, path in configuration.secret_files.items() if name in values}
    directories = _file_directories(configuration, (*in_files.values(), *configuration.files))
    ephemeral = (*configuration.ephemeral, *directories)
    return ContainerSpec(
        name=name,
        image=release.reference,
        entrypoint=entrypoint,
        command=command,
        env=identity
        | dict(configuration.env)
        | {name: value.reveal() for name, value in values.items() if name not in in_files},
        files={path: values[name] for name, path in in_files.items()},
        readable_files=configuration.files,
        networks=networks,
        binds=(*(volume.bind for volume in configuration.volumes), *directories),
        memory_bytes=configuration.resources.memory_bytes,
        cpus=configuration.resources.cpus,
        pids=configuration.resources.pids,
        user=configuration.user,
        read_only=configuration.read_only,
        tmpfs=configuration.tmpfs,
        host_config=host_config(configuration.options),
        labels=dict(configuration.labels)
        | {
            f"{_PREFIX}format": _FORMAT,
            f"{_PREFIX}version": release.version,
            f"{_PREFIX}release": release.id,
            f"{_PREFIX}image": release.reference,
            f"{_PREFIX}commit": release.commit,
        }
        | ({EPHEMERAL_LABEL: ":".join(ephemeral)} if ephemeral else {})
        | dict(labels),
    )


def _secret_values(release: Release, secrets: Mapping[str, Secret]) -> dict[str, Secret]:
    """Return the values of a release's own secrets.

    Raises:
        DeploymentFailed: a value is missing; without it the application would not be the same.
    """
    declared = release.configuration.secrets
    missing = [name for name in declared if name not in secrets]
    if missing:
        raise DeploymentFailed(
            f"{release.version} has to be started anew, and these secrets are not set: "
            f"{', '.join(missing)}",
            cause="a value is handed to a container only where deploy.yaml declares its name today "
            "and the command's environment has it",
            remedy="pass the secrets in the environment of this command",
            code=ErrorCode.SECRET_MISSING,
        )
    return {name: secrets[name] for name in declared}


def _file_directories(configuration: Environment, paths: Iterable[str]) -> tuple[str, ...]:
    """Return the directories of files that need a volume of the container's own: nothing can
    be written into a read-only root, and what is below a tmpfs is hidden."""
    tmpfs = [posixpath.normpath(mount.partition(":")[0]) for mount in configuration.tmpfs]
    return tuple(
        dict.fromkeys(
            directory
            for directory in map(posixpath.dirname, paths)
            if configuration.read_only or any(directory.startswith(f"{path}/") for path in tmpfs)
        )
    )


def of_release(replicas: Iterable[Replica], release: Release) -> tuple[Replica, ...]:
    """Pick one container per role and index of a release: running before stopped, new before old."""
    wanted = {(role.name, index) for role in release.roles for index in range(role.replicas)}
    chosen: dict[tuple[str, int], Replica] = {}
    for replica in sorted(replicas, key=lambda r: (r.container.running, r.number)):
        place = (replica.role, replica.index)
        if replica.release == release.id and place in wanted:
            chosen[place] = replica
    return tuple(chosen[place] for place in sorted(chosen))


def with_traffic(replicas: Iterable[Replica], release: Release) -> tuple[Replica, ...]:
    """Pick the replicas of roles to which the edge sends requests."""
    return tuple(replica for replica in replicas if release.takes_traffic(replica.role))


def backend_for(
    placement: Placement, configuration: Environment, weighted: Iterable[tuple[Replica, int]]
) -> Backend | None:
    """Describe the environment's backend with these replicas; None for a worker.

    Args:
        weighted: replicas and their weights in the edge.
    """
    route = configuration.route
    if route is None or configuration.port is None:
        return None
    backend = Backend.of(
        placement.backend,
        route,
        "tcp" if configuration.protocol == "tcp" else "http",
        Check.of(configuration.health, route.host),
        configuration.strategy.sticky,
    )
    servers = tuple(
        Server(
            name=replica.name,
            address=replica.address(placement),
            port=replica.port,
            weight=weight,
            release=replica.release,
            h2=configuration.protocol == "h2c",
        )
        for replica, weight in sorted(weighted, key=lambda pair: pair[0].name)
    )
    limits = configuration.limits or Limits()
    return dataclasses.replace(
        backend,
        servers=servers,
        trusted_proxies=configuration.edge.trusted_proxies,
        bind=configuration.edge.listens_on,
        timeouts=configuration.timeouts,
        named=bool(configuration.alias),
        header_bytes=limits.header_bytes,
        body_bytes=limits.body_bytes,
        redirect_to=configuration.origin if route.redirect_from else "",
    )
