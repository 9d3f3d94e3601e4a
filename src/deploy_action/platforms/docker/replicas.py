"""A release as containers: names, labels and descriptions, and the way back from labels."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from deploy_action.config.model import Environment, Hook
from deploy_action.platforms.docker.edge.state import Backend, Check, Server, backend_name
from deploy_action.platforms.docker.engine.protocol import Container, ContainerSpec, NetworkSpec
from deploy_action.releases.model import Release

__all__ = [
    "Replica",
    "backend_for",
    "hook_selector",
    "hook_spec",
    "name_of",
    "of_release",
    "replica_spec",
    "task_selector",
    "task_spec",
]

_PREFIX = "deploy-action."


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A container of the service, with what its labels say."""

    container: Container
    release: str
    version: str
    image: str
    """The image's reference, by digest."""
    number: int
    """Number of the deployment that created it."""
    index: int
    port: int

    @property
    def name(self) -> str:
        """The container's name, which is also its server's name in the edge."""
        return self.container.name

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
            index=int(labels.get(f"{_PREFIX}replica", "0")),
            port=int(labels.get(f"{_PREFIX}port", "0")),
        )

    def record(self) -> Release | None:
        """Return the release that the container carries: the second witness beside the ledger."""
        try:
            return Release(**json.loads(self.container.labels[f"{_PREFIX}record"]))
        except (KeyError, TypeError, ValueError):
            return None


def selector(environment: Environment) -> Mapping[str, str]:
    """Return the labels by which the containers of an environment are found."""
    return {
        f"{_PREFIX}edge": environment.edge.name,
        f"{_PREFIX}service": environment.service,
        f"{_PREFIX}environment": environment.name,
        f"{_PREFIX}role": "replica",
    }


def name_of(environment: Environment, version: str, number: int, index: int) -> str:
    """Name a container so that a person can read it: service, environment, version, attempt."""
    readable = re.sub(r"[^a-zA-Z0-9_.-]+", "-", version)[:40].strip("-.") or "v"
    stem = f"{environment.service}-{environment.name}-{readable}-{number}"
    prefix = "" if environment.edge.name == "deploy-action" else f"{environment.edge.name}-"
    return f"{prefix}{stem}" if index == 0 else f"{prefix}{stem}-{index}"


def replica_spec(
    environment: Environment,
    release: Release,
    *,
    number: int,
    index: int,
    address: str,
    secrets: Mapping[str, str],
) -> ContainerSpec:
    """Describe one replica of a release: a candidate, which is never restarted by the engine.

    Args:
        address: fixed address on the edge's network.
        secrets: name → value of every declared secret.
    """
    first = NetworkSpec(name=environment.edge.name, address=address)
    return _spec(
        environment,
        release,
        name=name_of(environment, release.version, number, index),
        secrets=secrets,
        networks=(first, *(NetworkSpec(name=name) for name in environment.networks)),
        entrypoint=environment.entrypoint,
        command=environment.command,
        labels=dict(selector(environment))
        | {
            f"{_PREFIX}deployment": str(number),
            f"{_PREFIX}replica": str(index),
            f"{_PREFIX}port": str(environment.port or 0),
            f"{_PREFIX}record": json.dumps(asdict(release), sort_keys=True),
        },
    )


def hook_spec(
    environment: Environment,
    release: Release,
    hook: Hook,
    *,
    number: int,
    secrets: Mapping[str, str],
) -> ContainerSpec:
    """Describe a one-off container of the new image that runs a hook."""
    label = re.sub(r"[^a-zA-Z0-9_.-]+", "-", hook.name)
    return _spec(
        environment,
        release,
        name=f"{name_of(environment, release.version, number, 0)}-hook-{label}",
        secrets=secrets,
        networks=tuple(
            NetworkSpec(name=name) for name in (environment.edge.name, *environment.networks)
        ),
        # What `run` says is what runs, whatever the image's own entry point is.
        entrypoint=hook.command[:1],
        command=hook.command[1:],
        labels=dict(hook_selector(environment)) | {f"{_PREFIX}deployment": str(number)},
    )


def hook_selector(environment: Environment) -> Mapping[str, str]:
    """Return the labels by which the containers of hooks are found."""
    return dict(selector(environment)) | {f"{_PREFIX}role": "hook"}


def task_selector(environment: Environment) -> Mapping[str, str]:
    """Return the labels by which the one-off containers of `run` are found."""
    return dict(selector(environment)) | {f"{_PREFIX}role": "task"}


def task_spec(
    environment: Environment,
    release: Release,
    argv: tuple[str, ...],
    *,
    name: str,
    secrets: Mapping[str, str],
    bare: bool,
) -> ContainerSpec:
    """Describe a one-off container of a release that runs a command.

    Args:
        name: tells it apart from others at the same time.
        bare: the command is run as it is, and not by the image's entry point.
    """
    return _spec(
        environment,
        release,
        name=f"{name_of(environment, release.version, 0, 0)}-task-{name}",
        secrets=secrets,
        networks=tuple(
            NetworkSpec(name=name) for name in (environment.edge.name, *environment.networks)
        ),
        entrypoint=argv[:1] if bare else environment.entrypoint,
        command=argv[1:] if bare else argv,
        labels=task_selector(environment),
    )


def _spec(
    environment: Environment,
    release: Release,
    *,
    name: str,
    secrets: Mapping[str, str],
    networks: tuple[NetworkSpec, ...],
    entrypoint: tuple[str, ...] | None,
    command: tuple[str, ...] | None,
    labels: Mapping[str, str],
) -> ContainerSpec:
    told = {"DEPLOY_VERSION": release.version, "DEPLOY_ENVIRONMENT": environment.name}
    return ContainerSpec(
        name=name,
        image=release.reference,
        entrypoint=entrypoint,
        command=command,
        env=told | dict(environment.env) | dict(secrets),
        networks=networks,
        binds=tuple(
            f"{v.source}:{v.target}:{'ro' if v.read_only else 'rw'}" for v in environment.volumes
        ),
        memory_bytes=environment.resources.memory_bytes,
        cpus=environment.resources.cpus,
        pids=environment.resources.pids,
        user=environment.user,
        read_only=environment.read_only,
        tmpfs=environment.tmpfs,
        labels=dict(environment.labels)
        | {
            f"{_PREFIX}version": release.version,
            f"{_PREFIX}release": release.id,
            f"{_PREFIX}image": release.reference,
            f"{_PREFIX}commit": release.commit,
        }
        | dict(labels),
    )


def of_release(replicas: Iterable[Replica], release_id: str, count: int) -> tuple[Replica, ...]:
    """Pick one container per index for a release: a running one before a stopped, new before old."""
    chosen: dict[int, Replica] = {}
    for replica in sorted(replicas, key=lambda r: (r.container.running, r.number)):
        if replica.release == release_id and replica.index < count:
            chosen[replica.index] = replica
    return tuple(chosen[index] for index in sorted(chosen))


def backend_for(
    environment: Environment,
    weighted: Iterable[tuple[Replica, int]],
    *,
    unchecked: frozenset[str] = frozenset(),
) -> Backend | None:
    """Describe the environment's backend with these replicas; None for a worker.

    Args:
        weighted: replicas and their weights in the edge.
        unchecked: names of servers that the edge must not judge by this release's health check.
    """
    if environment.route is None or environment.port is None:
        return None
    backend = Backend.of(
        backend_name(environment.service, environment.name),
        environment.route,
        environment.protocol,
        Check.of(environment.health, environment.route.host),
        environment.strategy.sticky,
    )
    servers = tuple(
        Server(
            name=replica.name,
            address=address_of(replica, environment),
            port=replica.port,
            weight=weight,
            check=replica.name not in unchecked,
            release=replica.release,
        )
        for replica, weight in sorted(weighted, key=lambda pair: pair[0].name)
    )
    return dataclasses.replace(backend, servers=servers)


def address_of(replica: Replica, environment: Environment) -> str:
    """Return the replica's fixed address on the edge's network."""
    return replica.container.addresses.get(environment.edge.name, "")
