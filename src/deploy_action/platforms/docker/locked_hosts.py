"""The hosts of an environment while one command holds their locks: settle, observe, restore."""

from __future__ import annotations

import dataclasses
import secrets as randomness
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy_action.config import deserialize
from deploy_action.errors import DeployActionError, Interrupted, RollbackFailed
from deploy_action.parallel import run_parallel
from deploy_action.platforms.docker.cleanup import ReconcileResult
from deploy_action.platforms.docker.health import Cancel
from deploy_action.platforms.docker.host import Host, observe
from deploy_action.platforms.docker.observation import HostObservation, Observation
from deploy_action.platforms.docker.reconcile import (
    reconcile,
    remove_orphaned_hooks,
    remove_service,
)
from deploy_action.platforms.docker.standby import standby_of, stands_by
from deploy_action.releases.ledger import current_deployment, succeeded_releases
from deploy_action.releases.model import Deployment, HostOutcome, State
from deploy_action.releases.secrets import available_secrets
from deploy_action.session.client import SessionLost

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.platforms.docker.connections import HostConnections
    from deploy_action.platforms.docker.replicas import Replica

__all__ = ["LockedHosts"]

_REPEATED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedHosts:
    """The hosts while their locks are held."""

    engagement: HostConnections
    sites: tuple[Host, ...]

    @property
    def environment(self) -> Environment:
        """What deploy.yaml says today."""
        return self.engagement.environment

    def observe(self, images: Sequence[str] = ()) -> Observation:
        """Look at every host."""

        found = run_parallel(lambda site: observe(site, images), self.sites)
        by_host = {observation.host: observation for observation in found}
        return Observation.of([by_host[host] for host in self.environment.hosts])

    def fingerprint_key(self, observation: Observation) -> bytes:
        """Return the key of secret fingerprints, made on first use and the same on every host."""
        known = [observation.host(site.host).key for site in self.sites]
        key = next((found for found in known if found), None) or randomness.token_bytes(32)
        for site, found in zip(self.sites, known, strict=True):
            if found != key:
                site.session.put(site.key_path, key)
        return key

    def settled(self, images: Sequence[str] = ()) -> Observation:
        """Finish what an earlier run left: its deployment failed, and what served before serves.

        Returns what is found when that is done; `images` as for `observe`.

        Raises:
            RollbackFailed: that is not possible any more.
        Interrupted, SessionLost: it is left to the next command.
        """
        observation = self.observe(images)
        entries = observation.ledger.entries
        unfinished = [entry for entry in entries if entry.state is State.RUNNING]
        serving = current_deployment(entries)
        if not unfinished and not _orphans(observation, serving):
            self._repeat(entries, observation)
            return observation
        for entry in unfinished:
            self.engagement.progress.warn(
                f"deployment {entry.id} of {entry.release.version} was left unfinished at: "
                f"{entry.step or 'its begin'}; settling it"
            )
        try:
            self.restore(serving, entries)
        except (Interrupted, SessionLost):
            raise
        except DeployActionError as error:
            raise RollbackFailed(
                f"{self.environment.name}: an earlier deployment was left unfinished, and what "
                f"served before could not be brought back: {error.what}",
                cause=error.cause,
                remedy="deploy-action status, then deploy-action rollback --to VERSION",
            ) from error
        settled = [_mark_abandoned(entry, self.engagement) for entry in unfinished]
        by_number = {entry.number: entry for entry in settled}
        self._repeat([by_number.get(entry.number, entry) for entry in entries], observation)
        return self.observe(images)

    def restore(self, serving: Deployment | None, entries: Sequence[Deployment]) -> ReconcileResult:
        """Bring every host to the release that is live according to the ledger."""
        told, cancel = ReconcileResult(), Cancel(threading.Event())

        def one(site: Host) -> ReconcileResult:
            remove_orphaned_hooks(site)
            if serving is None:
                return remove_service(site)
            past = deserialize(serving.release.config)
            return reconcile(
                site,
                serving.release,
                past,
                good=succeeded_releases(entries),
                secrets=available_secrets(past, self.engagement.inputs),
                number=serving.number,
                drain_seconds=past.stop.drain_seconds,
                standby=standby_of(serving, past),
                cancel=cancel,
            )

        for done in run_parallel(one, self.sites, cancel.event):
            told.notes += done.notes
            told.logs |= done.logs
        return told

    def _repeat(self, entries: Sequence[Deployment], observation: Observation) -> None:
        """Give every host the entries that it lacks or has in an older state."""
        for site in self.sites:
            known = {entry.number: entry for entry in observation.host(site.host).ledger.entries}
            for entry in entries[-_REPEATED:]:
                if known.get(entry.number) != entry:
                    site.ledger.write(entry)


def _orphans(observation: Observation, serving: Deployment | None) -> bool:
    """Tell whether containers run that are neither live, nor on standby, nor on their way out."""
    release = serving.release.id if serving is not None else ""
    good = set(succeeded_releases(observation.ledger.entries))
    others = [
        replica
        for found in observation.hosts
        for replica in found.replicas
        if replica.release != release
        and (
            replica.release not in good
            or (replica.container.running and not _is_leaving(replica, found))
        )
    ]
    if not others or serving is None:
        return bool(others)
    standby = standby_of(serving, deserialize(serving.release.config))
    return not all(stands_by(replica, standby) for replica in others)


def _is_leaving(replica: Replica, found: HostObservation) -> bool:
    """Tell whether a replica was drained and has only to end, for which nobody waits."""
    drained = found.backend is not None and all(
        server.name != replica.name for server in found.backend.servers
    )
    return drained and replica.container.restart == "no"


def _mark_abandoned(entry: Deployment, engagement: HostConnections) -> Deployment:
    return dataclasses.replace(
        entry,
        state=State.FAILED,
        ended_at=engagement.clock.now().isoformat(timespec="milliseconds"),
        cause=f"the deployer was lost at: {entry.step or 'its begin'}; settled by {engagement.id}",
        hosts=dict.fromkeys(engagement.environment.hosts, HostOutcome.RESTORED),
    )
