"""What was found on the hosts before anything is planned: values only."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deploy_action.checks.health import explain_instability, explain_unhealthy, is_condemned
from deploy_action.platforms.docker.edge.state import Backend, EdgeState, ServerStatus
from deploy_action.platforms.docker.replicas import Replica, of_release
from deploy_action.releases.ledger import Ledger, current_deployment, merge, succeeded_releases

if TYPE_CHECKING:
    from datetime import datetime

    from deploy_action.releases.model import Deployment, Release

__all__ = ["DockerObservation", "HostObservation", "is_leaving", "is_on_standby"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostObservation:
    """One host: its part of the ledger, the service's containers, the edge's backend.

    Attributes:
        image_ids: reference → id, of the images that the host has among those asked for and those
            of recent releases.
        without_healthcheck: those of them whose image has no HEALTHCHECK.
        image_volumes: reference → paths of the VOLUMEs of the same images.
        servers: what the running edge says of the backend; None without an edge or a backend.
        edge: what the edge's configuration says of all services.
        fingerprint_key: the key of secret fingerprints; None where none was made yet.
        subnet: of the environment's network; empty where it has yet to be created, None if not looked up.
        problem: why the host could not be observed; everything else is empty then.
    """

    host: str
    ledger: Ledger = field(default_factory=Ledger)
    replicas: tuple[Replica, ...] = ()
    backend: Backend | None = None
    image_ids: Mapping[str, str] = field(default_factory=dict)
    without_healthcheck: frozenset[str] = frozenset()
    image_volumes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    servers: Mapping[str, ServerStatus] | None = None
    edge: EdgeState = field(default_factory=EdgeState)
    fingerprint_key: bytes | None = field(default=None, repr=False)
    problem: str = ""
    subnet: str | None = None

    @property
    def edited(self) -> bool:
        """True where the edge's configuration is not as it was written."""
        return self.edge.edited

    @property
    def in_maintenance(self) -> bool:
        """True while the edge answers with the maintenance page."""
        return self.backend is not None and bool(self.backend.maintenance)


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerObservation:
    """All hosts of an environment, and what their ledgers say together."""

    hosts: tuple[HostObservation, ...]
    ledger: Ledger

    @classmethod
    def of(cls, hosts: Sequence[HostObservation]) -> DockerObservation:
        """Put together what was found on each host."""
        return cls(hosts=tuple(hosts), ledger=merge({host.host: host.ledger for host in hosts}))

    @property
    def problems(self) -> Mapping[str, str]:
        """Why a host could not be observed, by host."""
        return {host.host: host.problem for host in self.hosts if host.problem}

    def after(self, deployment: Deployment | None) -> DockerObservation:
        """Return what would be found after one more deployment that started nothing new."""
        if deployment is None:
            return self
        entries = (*self.ledger.entries, deployment)
        return dataclasses.replace(self, ledger=dataclasses.replace(self.ledger, entries=entries))

    def with_image(self, reference: str) -> DockerObservation:
        """Return what would be found if every host had one more image."""
        hosts = tuple(
            dataclasses.replace(host, image_ids={reference: reference, **host.image_ids})
            for host in self.hosts
        )
        return dataclasses.replace(self, hosts=hosts)

    def host(self, name: str) -> HostObservation:
        """Return the observation of one host."""
        return next(host for host in self.hosts if host.host == name)

    def unstable(self, now: datetime) -> tuple[str, ...]:
        """Say of each replica of the live release what keeps it from counting as up and healthy;
        hosts that could not be observed are left out."""
        current = current_deployment(self.ledger.entries)
        if current is None:
            return ()
        release = current.release
        health, count = release.configuration.health, sum(role.replicas for role in release.roles)
        found: list[str] = []
        for host in self.hosts:
            if host.problem:
                continue
            replicas = of_release(host.replicas, release)
            if len(replicas) < count:
                gone = count - len(replicas)
                found.append(
                    f"{host.host}: {gone} of {count} replicas of {release.version} are gone"
                )
            for replica in replicas:
                container, server = replica.container, (host.servers or {}).get(replica.name)
                why = explain_instability(container, now)
                if not why and (is_condemned(health, container) or (server and not server.up)):
                    why = explain_unhealthy(health, server, container)
                if why:
                    found.append(f"{host.host}: {replica.name}: {why}")
        return tuple(found)

    def orphans(self) -> tuple[str, ...]:
        """Name the replicas that their host records neither as live, nor kept, nor on standby, and
        that are not stopping. A host that records nothing has none."""
        return tuple(
            f"{replica.name} on {host.host}"
            for host in self.hosts
            for replica in _orphans(host, self.ledger.of(host.host))
        )

    def without_replicas(self, release: Release) -> tuple[str, ...]:
        """Return the hosts that no longer have every replica of a release."""
        count = sum(role.replicas for role in release.roles)
        return tuple(
            host.host for host in self.hosts if len(of_release(host.replicas, release)) < count
        )

    def without_image(self, release: Release) -> tuple[str, ...]:
        """Return the hosts that do not have a release's image."""
        return tuple(host.host for host in self.hosts if release.reference not in host.image_ids)


def _orphans(host: HostObservation, entries: Sequence[Deployment]) -> Iterator[Replica]:
    if not entries:
        # Its ledger was lost, or it joined: what serves there goes on until something is deployed.
        return
    current = current_deployment(entries)
    live = "" if current is None else current.release.id
    standby = "" if current is None else current.standby
    succeeded = set(succeeded_releases(entries))
    for replica in host.replicas:
        kept = replica.release in succeeded and (
            not replica.container.running or is_leaving(replica, host.backend)
        )
        if replica.release != live and not kept and not is_on_standby(replica, standby):
            yield replica


def is_on_standby(replica: Replica, standby: str) -> bool:
    """Tell whether a replica stays running without traffic, as the ledger wants it.

    Args:
        standby: `Deployment.standby` of what is live.
    """
    return replica.release == standby and replica.is_up


def is_leaving(replica: Replica, backend: Backend | None) -> bool:
    """Tell whether a replica was drained and asked to stop; nobody waits for its end."""
    drained = backend is not None and all(server.name != replica.name for server in backend.servers)
    return drained and replica.container.restart == "no"
