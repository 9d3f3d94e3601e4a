"""What was found on the hosts before anything is planned: values only."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy_action.platforms.docker.edge.state import Backend, ServerStatus
from deploy_action.platforms.docker.replicas import Replica
from deploy_action.releases.ledger import Ledger, merge

if TYPE_CHECKING:
    from deploy_action.releases.model import Deployment

__all__ = ["HostObservation", "Observation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostObservation:
    """One host: its part of the ledger, the service's containers, the edge's backend."""

    host: str
    ledger: Ledger
    replicas: tuple[Replica, ...]
    backend: Backend | None
    images: frozenset[str] = frozenset()
    """References that the host has, of those asked for and of recent releases."""
    servers: Mapping[str, ServerStatus] | None = None
    """What the running edge says of the backend; None where there is no edge or no backend."""
    edited: bool = False
    """The edge's configuration is not as it was written."""
    key: bytes | None = None
    """The key of secret fingerprints; None where none was made yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """All hosts of an environment, and what they together know."""

    hosts: tuple[HostObservation, ...]
    ledger: Ledger

    @classmethod
    def of(cls, hosts: Sequence[HostObservation]) -> Observation:
        """Put together what was found on each."""
        return cls(hosts=tuple(hosts), ledger=merge([found.ledger for found in hosts]))

    def after(self, deployment: Deployment | None) -> Observation:
        """Return what would be found after one more deployment that has started nothing new."""
        if deployment is None:
            return self
        entries = (*self.ledger.entries, deployment)
        return dataclasses.replace(self, ledger=dataclasses.replace(self.ledger, entries=entries))

    def host(self, name: str) -> HostObservation:
        """Return the observation of one host."""
        return next(found for found in self.hosts if found.host == name)
