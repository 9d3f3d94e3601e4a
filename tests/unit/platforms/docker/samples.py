"""What is found on Docker hosts, made by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from tests.fakes.values import ledger

from deploy_action.inputs import Secret
from deploy_action.platforms.docker.edge.state import Backend
from deploy_action.platforms.docker.engine.protocol import Container
from deploy_action.platforms.docker.observation import DockerObservation, HostObservation
from deploy_action.platforms.docker.replicas import Placement, Replica, backend_for, replica_spec
from deploy_action.releases.model import Deployment, Release

__all__ = ["backend", "host", "observation", "replica"]


def replica(
    release: Release, number: int = 1, role: int = 0, index: int = 0, **changes: Any
) -> Replica:
    """Return a running replica.

    Args:
        role: number of the role in the release.
    """
    placement = Placement.of(release.configuration)
    spec = replica_spec(
        placement,
        release,
        release.roles[role],
        number=number,
        index=index,
        address=f"10.0.{number}.{10 * role + index + 2}",
        secrets={name: Secret("x") for name in release.configuration.secrets},
    )
    container = Container.of(spec, f"id-{spec.name}")
    running = dataclasses.replace(
        container, status="running", restart="unless-stopped", image_id="sha256:1"
    )
    return Replica.read(dataclasses.replace(running, **changes))


def backend(release: Release, *replicas: Replica) -> Backend:
    """Return the edge's backend in which these replicas share the traffic."""
    placement = Placement.of(release.configuration)
    made = backend_for(placement, release.configuration, [(one, 100) for one in replicas])
    assert made is not None
    return made


def host(name: str = "a", **changes: Any) -> HostObservation:
    """Return what is found on a host; nothing unless it is said."""
    return HostObservation(host=name, **changes)


def observation(
    hosts: Sequence[HostObservation], entries: Sequence[Deployment] = ()
) -> DockerObservation:
    """Put hosts together, all of which have these entries."""
    known = ledger(*entries)
    return DockerObservation.of([dataclasses.replace(one, ledger=known) for one in hosts])
