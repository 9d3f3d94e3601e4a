"""One command's hold on the hosts of an environment: connect, lock, settle, observe."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets as randomness
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from deploy_action.clock import Clock, SystemClock
from deploy_action.config import from_plain
from deploy_action.config.model import Environment
from deploy_action.engines import Engine, connect
from deploy_action.errors import DeployActionError, Interrupted, RollbackFailed
from deploy_action.hosts.observation import HostObservation, Observation
from deploy_action.hosts.side_by_side import side_by_side
from deploy_action.hosts.site import Site, lock_site, observe, reading
from deploy_action.inputs import Inputs
from deploy_action.interruption import interruptible
from deploy_action.progress import Progress
from deploy_action.release import Deployment, HostOutcome, State
from deploy_action.rollout.converge import Converged, converge, end_hooks, withdraw
from deploy_action.rollout.verify import Cancel
from deploy_action.state.conversation import SessionLost
from deploy_action.state.ledger import Ledger, live, merge
from deploy_action.state.lock import Lock
from deploy_action.targets.secret_values import available_secrets

__all__ = ["Engagement", "Held", "engage", "good_releases"]

_REPEATED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Engagement:
    """Open connections to every host; nothing is locked yet."""

    environment: Environment
    inputs: Inputs
    progress: Progress
    clock: Clock
    engines: Mapping[str, Engine]
    id: str

    @property
    def first(self) -> Engine:
        """The engine that is asked where one answer is enough."""
        return self.engines[self.environment.hosts[0]]

    @contextlib.contextmanager
    def locked(self, meanwhile: Callable[[], object] = lambda: None) -> Iterator[Held]:
        """Hold the lock of every host: the first one's, and with it the right to take the others'.

        All commands begin with the same host, so that of many at one time one gets them all; the
        others' locks are taken side by side. Two whose lists of hosts differ may refuse each
        other, before either has changed anything.

        What an earlier run left unfinished is not settled yet: `Held.settled` does that.

        Args:
            meanwhile: is called while the first lock is under way.

        Raises:
            LockHeld: somebody else has one; those already taken are given back.
        """
        taken: dict[str, tuple[Lock, Site]] = {}
        cancel = threading.Event()

        def take(host: str) -> None:
            taken[host] = self._lock(host, cancel)

        first, *others = sorted(self.engines)
        try:
            side_by_side(take, [first], cancel, meanwhile)
            side_by_side(take, others, cancel)
            yield Held(engagement=self, sites=tuple(taken[host][1] for host in sorted(taken)))
        finally:
            # Those that were taken before one failed, too.
            for lock, _ in taken.values():
                lock.release()

    def _lock(self, host: str, cancel: threading.Event) -> tuple[Lock, Site]:
        return lock_site(
            host,
            self.engines[host],
            self.environment,
            labels={
                "deploy-action.actor": self.inputs.actor or "unknown",
                "deploy-action.deployment-id": self.id,
                "deploy-action.since": self.clock.now().isoformat(timespec="seconds"),
                "deploy-action.run": self.inputs.run_url,
            },
            wait_seconds=self.inputs.lock_wait_seconds,
            clock=self.clock,
            cancel=cancel,
        )

    def look(self, images: Sequence[str] = ()) -> Observation:
        """Observe without a lock; a host on which nothing was ever deployed is empty."""

        def one(host: str) -> HostObservation:
            engine = self.engines[host]
            with self.reading(host) as site:
                if site is None:
                    return HostObservation(
                        host=host,
                        ledger=Ledger(),
                        replicas=(),
                        backend=None,
                        images=frozenset(i for i in images if engine.image(i) is not None),
                    )
                return observe(host, engine, site.talk, self.environment, images)

        return _joined(side_by_side(one, self.environment.hosts))

    def fingerprint_key(self) -> bytes:
        """Return the key of secret fingerprints, or an empty one where none was made yet."""
        with self.reading(self.environment.hosts[0]) as site:
            return b"" if site is None else site.talk.get(_key_path(self.environment)) or b""

    def reading(self, host: str) -> contextlib.AbstractContextManager[Site | None]:
        """Open a session on a host that takes no lock; None where nothing was deployed yet."""
        return reading(host, self.engines[host], self.environment, self.clock)


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

        def one(site: Site) -> HostObservation:
            return observe(site.host, site.engine, site.talk, self.environment, images)

        found = side_by_side(one, self.sites)
        by_host = {observation.host: observation for observation in found}
        return _joined([by_host[host] for host in self.environment.hosts])

    def fingerprint_key(self) -> bytes:
        """Return the key of secret fingerprints, made on first use and the same on every host."""
        path = _key_path(self.environment)
        known = side_by_side(lambda site: site.talk.get(path), self.sites)
        key = next((found for found in known if found), None) or randomness.token_bytes(32)
        for site, found in zip(self.sites, known, strict=True):
            if found != key:
                site.talk.put(path, key)
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


@contextlib.contextmanager
def engage(environment: Environment, inputs: Inputs, progress: Progress) -> Iterator[Engagement]:
    """Connect to every host of an environment.

    Raises:
        HostUnreachable: one of them does not answer; none was touched.
    """
    clock = SystemClock()
    engines: dict[str, Engine] = {}
    signals = contextlib.ExitStack()
    signals.enter_context(interruptible())
    try:
        found = side_by_side(connect, environment.hosts)
        engines = dict(zip(environment.hosts, found, strict=True))
        stamp = clock.now().strftime("%Y%m%dT%H%M%SZ")
        yield Engagement(
            environment=environment,
            inputs=inputs,
            progress=progress,
            clock=clock,
            engines=engines,
            id=f"{stamp}-{uuid4().hex[:6]}",
        )
    finally:
        for engine in engines.values():
            engine.close()
        signals.close()


def good_releases(entries: Sequence[Deployment]) -> tuple[str, ...]:
    """Return the ids of releases that have succeeded, newest first."""
    ids = [entry.release.id for entry in reversed(entries) if entry.state is State.SUCCEEDED]
    return tuple(dict.fromkeys(ids))


def _joined(hosts: Sequence[HostObservation]) -> Observation:
    return Observation(hosts=tuple(hosts), ledger=merge([found.ledger for found in hosts]))


def _strays(observation: Observation, serving: Deployment | None) -> bool:
    """Tell whether containers run that are neither live nor on their way out."""
    release = serving.release.id if serving is not None else ""
    good = set(good_releases(observation.ledger.entries))
    return any(
        replica.release != release and (replica.container.running or replica.release not in good)
        for found in observation.hosts
        for replica in found.replicas
    )


def _given_up(entry: Deployment, engagement: Engagement) -> Deployment:
    return dataclasses.replace(
        entry,
        state=State.FAILED,
        ended_at=engagement.clock.now().isoformat(timespec="milliseconds"),
        cause=f"the deployer was lost at: {entry.step or 'its begin'}; settled by {engagement.id}",
        hosts=dict.fromkeys(engagement.environment.hosts, HostOutcome.RESTORED),
    )


def _key_path(environment: Environment) -> str:
    return f"ledger/{environment.service}/{environment.name}/fingerprint.key"
