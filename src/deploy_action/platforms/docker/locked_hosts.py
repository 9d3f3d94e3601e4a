"""The hosts of an environment while one command holds their locks: settle, observe, restore."""

from __future__ import annotations

import dataclasses
import secrets as randomness
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deploy_action.config import from_plain
from deploy_action.errors import DeployActionError, Interrupted, RollbackFailed
from deploy_action.parallel import side_by_side
from deploy_action.platforms.docker.cleanup import Converged
from deploy_action.platforms.docker.health import Cancel
from deploy_action.platforms.docker.host import Site, observe
from deploy_action.platforms.docker.observation import HostObservation, Observation
from deploy_action.platforms.docker.reconcile import converge, end_hooks, withdraw
from deploy_action.platforms.docker.standby import standby_of, stands_by
from deploy_action.releases.ledger import Ledger, good_releases, live
from deploy_action.releases.model import Deployment, HostOutcome, State
from deploy_action.releases.secrets import available_secrets
from deploy_action.session.client import SessionLost
from deploy_action.values import dataclass

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.platforms.docker.connections import Engagement
    from deploy_action.platforms.docker.replicas import Replica

__all__ = ["Held"]

_REPEATED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The hosts while their locks are held."""

    engagement: Engagement
    sites: tuple[Site, ...]

    @property
    def environment(self) -> Environment:
        """What deploy.yaml says today."""
        return self.engagement.environment

    def observe(self, images: Sequence[str] = ()) -> Observation:
        """Look at every host."""

        found = side_by_side(lambda site: observe(site, images), self.sites)
        by_host = {observation.host: observation for observation in found}
        return Observation.of([by_host[host] for host in self.environment.hosts])

    def fingerprint_key(self, observation: Observation) -> bytes:
        """Return the key of secret fingerprints, made on first use and the same on every host."""
        known = [observation.host(site.host).key for site in self.sites]
        key = next((found for found in known if found), None) or randomness.token_bytes(32)
        for site, found in zip(self.sites, known, strict=True):
            if found != key:
                site.talk.put(site.key_path, key)
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
        serving = live(entries)
        if not unfinished and not _strays(observation, serving):
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
        settled = [_given_up(entry, self.engagement) for entry in unfinished]
        by_number = {entry.number: entry for entry in settled}
        self._repeat([by_number.get(entry.number, entry) for entry in entries], observation)
        return self.observe(images)

    def restore(self, serving: Deployment | None, entries: Sequence[Deployment]) -> Converged:
        """Bring every host to the release that is live according to the ledger."""
        told, cancel = Converged(), Cancel(threading.Event())

        def one(site: Site) -> Converged:
            end_hooks(site)
            if serving is None:
                return withdraw(site)
            past = from_plain(serving.release.config)
            return converge(
                site,
                serving.release,
                past,
                good=good_releases(entries),
                secrets=available_secrets(past, self.engagement.inputs),
                number=serving.number,
                drain_seconds=past.stop.drain_seconds,
                standby=standby_of(serving, past),
                cancel=cancel,
            )

        for done in side_by_side(one, self.sites, cancel.event):
            told.notes += done.notes
            told.logs |= done.logs
        return told

    def _repeat(self, entries: Sequence[Deployment], observation: Observation) -> None:
        """Give every host the entries that it lacks or has in an older state."""
        for site in self.sites:
            known = {entry.number: entry for entry in observation.host(site.host).ledger.entries}
            for entry in entries[-_REPEATED:]:
                if known.get(entry.number) != entry:
                    Ledger.write(site.talk, entry)


def _strays(observation: Observation, serving: Deployment | None) -> bool:
    """Tell whether containers run that are neither live, nor on standby, nor on their way out."""
    release = serving.release.id if serving is not None else ""
    good = set(good_releases(observation.ledger.entries))
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
    standby = standby_of(serving, from_plain(serving.release.config))
    return not all(stands_by(replica, standby) for replica in others)


def _is_leaving(replica: Replica, found: HostObservation) -> bool:
    """Tell whether a replica was drained and has only to end, for which nobody waits."""
    drained = found.backend is not None and all(
        server.name != replica.name for server in found.backend.servers
    )
    return drained and replica.container.restart == "no"


def _given_up(entry: Deployment, engagement: Engagement) -> Deployment:
    return dataclasses.replace(
        entry,
        state=State.FAILED,
        ended_at=engagement.clock.now().isoformat(timespec="milliseconds"),
        cause=f"the deployer was lost at: {entry.step or 'its begin'}; settled by {engagement.id}",
        hosts=dict.fromkeys(engagement.environment.hosts, HostOutcome.RESTORED),
    )
