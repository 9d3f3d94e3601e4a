"""The ledger of one environment on its Docker hosts, written through the sessions of the lock."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy_action.errors import DeployActionError, SessionLost
from deploy_action.parallel import run_parallel
from deploy_action.releases.ledger import current_deployment

if TYPE_CHECKING:
    from deploy_action.platforms.docker.host import Host
    from deploy_action.platforms.docker.observation import DockerObservation
    from deploy_action.releases.model import Deployment

__all__ = ["DockerStore"]

_UPDATED = 20


@dataclass(frozen=True, slots=True)
class DockerStore:
    """Writes the same entries to every host."""

    hosts: Mapping[str, Host]

    def begin(self, deployment: Deployment) -> None:
        """Reserve room for an outcome, forget old operator commands, and write the entry."""
        run_parallel(lambda host: host.ledger.begin(deployment), list(self.hosts.values()))

    def write(self, deployment: Deployment, *, hosts: Collection[str] | None = None) -> None:
        """Add an entry or replace it, on all hosts or on these."""
        chosen = [host for name, host in self.hosts.items() if hosts is None or name in hosts]
        run_parallel(lambda host: host.ledger.write(deployment), chosen)

    def update(self, entries: Mapping[str, Sequence[Deployment]], seen: DockerObservation) -> None:
        """Write how deployments have ended to the hosts that record them otherwise."""
        for name, host in self.hosts.items():
            ledger = seen.host(name).ledger
            known = {entry.number: entry for entry in ledger.entries}
            for entry in entries[name][-_UPDATED:]:
                if known.get(entry.number) != entry:
                    host.ledger.write(entry, sign=entry.number in ledger.signed)

    def warn(self, warning: str, seen: DockerObservation) -> None:
        """Add a warning to what each host itself records as live."""
        for name, host in self.hosts.items():
            current = current_deployment(seen.ledger.of(name))
            if current is not None:
                warnings = (*current.warnings, warning)
                host.ledger.write(
                    dataclasses.replace(current, warnings=warnings),
                    sign=current.number in seen.host(name).ledger.signed,
                )

    def fingerprint_key(self, seen: DockerObservation) -> bytes:
        """Return the key of secret fingerprints, made on first use and the same on every host."""
        known = {name: seen.host(name).fingerprint_key for name in self.hosts}
        key = next((value for value in known.values() if value), None) or secrets.token_bytes(32)
        for name, host in self.hosts.items():
            if known[name] != key:
                host.session.put(host.key_path, key)
        return key

    def require_held(self) -> None:
        """Make sure that the lock is still held on at least one host.

        Raises:
            SessionLost: no lock is left.
        """
        lost: list[SessionLost] = []
        for host in self.hosts.values():
            try:
                host.session.ping()
            except SessionLost as error:
                lost.append(error)
            except DeployActionError:
                # It answers, though not well: the undo will tell.
                continue
        if lost and len(lost) == len(self.hosts):
            raise lost[0]
