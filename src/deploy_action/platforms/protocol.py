"""The seam between "what is a deployment" and "where it runs".

Above it nothing knows containers; below it nothing knows why. Configuration, gates, images,
releases, promotion, execution order, journal, events and reports are the same on every platform.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from deploy_action.checks.request_probe import RouteProbe
    from deploy_action.errors import DeployActionError
    from deploy_action.inputs import Secret
    from deploy_action.parallel import Cancel
    from deploy_action.releases.ledger import Ledger
    from deploy_action.releases.model import Deployment, Kind, Release
    from deploy_action.results.notes import Note
    from deploy_action.rollout.plan import Plan

__all__ = ["Desired", "Holder", "Observation", "Platform", "ReconcileResult", "Seen", "Store"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lock; `since` and `run_url` are for people to read."""

    actor: str
    deployment: str
    since: str
    run_url: str = ""

    def __str__(self) -> str:
        run = f", {self.run_url}" if self.run_url else ""
        return f"{self.actor} since {self.since} (deployment {self.deployment}{run})"


class Observation(Protocol):
    """What was found on all hosts of an environment: values only."""

    @property
    def ledger(self) -> Ledger:
        """What the hosts' ledgers say together."""

    @property
    def problems(self) -> Mapping[str, str]:
        """Why a host could not be observed, by host."""

    def orphans(self) -> tuple[str, ...]:
        """Name the replicas that their host records neither as live, nor kept, nor on standby, and
        that are not stopping. A host that records nothing has none."""

    def without_replicas(self, release: Release) -> tuple[str, ...]:
        """Return the hosts that no longer have every replica of a release."""

    def without_image(self, release: Release) -> tuple[str, ...]:
        """Return the hosts that do not have a release's image."""


Seen = TypeVar("Seen", bound=Observation)
Seen_contra = TypeVar("Seen_contra", bound=Observation, contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What a host shall run.

    Attributes:
        deployment: whose release serves alone; None: the service is taken off the hosts.
        succeeded: ids of releases that were live, newest first; others' replicas are removed.
        secrets: values for a replica that has to be created anew.
        drain_seconds: how long requests in flight may take on replicas that leave.
        wait_for_exit: wait until the replicas that leave have ended.
        stop_seconds: how long a running replica may take to end before it is removed.
    """

    deployment: Deployment | None
    succeeded: tuple[str, ...]
    secrets: Mapping[str, Secret]
    drain_seconds: float
    wait_for_exit: bool = True
    stop_seconds: float = 2.0


@dataclass(slots=True, kw_only=True)
class ReconcileResult:
    """What reconciling did.

    Attributes:
        notes: what people should know.
        logs: last lines of containers that were removed, by name and host.
        failures: why a host could not be brought to what is desired, by host.
    """

    notes: list[Note | str] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    failures: dict[str, DeployActionError | OSError] = field(default_factory=dict)

    def add(self, other: ReconcileResult) -> None:
        """Take over what was done on another host."""
        self.notes += other.notes
        self.logs |= other.logs
        self.failures |= other.failures


class Store(Protocol[Seen_contra]):
    """Ledger and journal of one environment, written under its lock."""

    def begin(self, deployment: Deployment) -> None:
        """Reserve room for an outcome, forget old operator commands, and write the entry."""

    def write(self, deployment: Deployment, *, hosts: Collection[str] | None = None) -> None:
        """Add an entry or replace it, on all hosts or on these."""

    def update(self, entries: Mapping[str, Sequence[Deployment]], seen: Seen_contra) -> None:
        """Write how deployments have ended to the hosts that record them otherwise.

        Args:
            entries: by host, its own deployments.
        """

    def fingerprint_key(self, seen: Seen_contra) -> bytes:
        """Return the key of secret fingerprints, made on first use."""

    def require_held(self) -> None:
        """Make sure that the lock is still held somewhere.

        Raises:
            SessionLost: no lock is left; whoever holds it now settles what is unfinished.
        """


class Platform(Protocol[Seen]):
    """Where a release runs. Every method but `lock` and `observe` needs the lock."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts, in the order of deploy.yaml."""

    def lock(self, holder: Holder) -> AbstractContextManager[Store[Seen]]:
        """Hold the environment's lock on every host.

        Raises:
            LockHeld: another user holds it; nothing was changed.
        """

    def observe(self, images: Sequence[str] = ()) -> Seen:
        """Look at every host without changing anything.

        Args:
            images: references to look for, besides those of recent releases.
        """

    def plan(self, kind: Kind, release: Release, seen: Seen) -> Plan:
        """Return the steps that make `release` live. Pure: nothing is asked or changed."""

    def start_rollout(self) -> Any:
        """Return what the platform's steps need while they run: `RolloutContext.runtime`."""

    def probes(self, plan: Plan) -> Sequence[RouteProbe]:
        """Return the requests that go through the edge during a rollout."""

    def last_logs(self, release: Release) -> Mapping[str, str]:
        """Return the first and last log lines of a release's replicas, by name and host."""

    def silent(self, desired: Mapping[str, Desired]) -> Mapping[str, str]:
        """Ask the releases that were brought back; say by host why one does not answer. A host
        whose release answered, or that shall run none, is absent."""

    def reconcile(self, desired: Mapping[str, Desired], cancel: Cancel) -> ReconcileResult:
        """Bring the hosts to what is desired of them, from whatever is found: undo, recovery,
        repair and cleanup. Idempotent; a host that fails is told, not raised."""
