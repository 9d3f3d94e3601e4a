"""A second platform, written as an exercise: hosts are objects in memory, releases dictionaries."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from deploy_action.checks.request_probe import RouteProbe
from deploy_action.errors import DeploymentFailed, ErrorCode, LockHeld, SessionLost
from deploy_action.parallel import Cancel
from deploy_action.platforms.protocol import Desired, Holder, ReconcileResult
from deploy_action.releases.ledger import Ledger, current_deployment, merge, succeeded_releases
from deploy_action.releases.model import Deployment, Kind, Release
from deploy_action.rollout.context import RolloutContext
from deploy_action.rollout.plan import Plan, Stage, draft_plan
from deploy_action.rollout.step import StepId
from deploy_action.rollout.steps.record import Record

__all__ = ["MemoryHost", "MemoryObservation", "MemoryPlatform", "MemoryStore"]


@dataclass(slots=True)
class MemoryHost:
    """What outlives a deployer: running and kept releases, the ledger, the lock.

    Attributes:
        releases: by id: {"version", "running": replicas by role, "traffic": bool}.
        bad: versions that do not come up.
        broken: reconciling fails on this host.
        hangs: what is brought back here does not answer.
    """

    name: str
    releases: dict[str, dict[str, Any]] = field(default_factory=dict)
    entries: dict[int, Deployment] = field(default_factory=dict)
    key: bytes = b""
    holder: Holder | None = None
    bad: set[str] = field(default_factory=set)
    broken: bool = False
    hangs: bool = False

    def start(self, release: Release) -> None:
        """Have every replica of a release running."""
        known = self.releases.setdefault(release.id, {"version": release.version, "traffic": False})
        known["running"] = Counter({role.name: role.replicas for role in release.roles})
        if release.version in self.bad:
            raise DeploymentFailed(f"{self.name}: bad", code=ErrorCode.REPLICA_UNHEALTHY)

    def switch(self, release: Release) -> None:
        """Give a release all of the traffic."""
        for identifier, known in self.releases.items():
            known["traffic"] = identifier == release.id

    def only(self, release: Release, succeeded: Collection[str]) -> None:
        """Stop and keep the other releases that were live, and remove those that never were."""
        for identifier in list(self.releases):
            if identifier not in {release.id, *succeeded}:
                del self.releases[identifier]
            elif identifier != release.id:
                self.releases[identifier]["running"] = Counter()


@dataclass(frozen=True, slots=True)
class MemoryObservation:
    """What was found: a copy."""

    ledger: Ledger
    releases: Mapping[str, Mapping[str, Mapping[str, Any]]]
    problems: Mapping[str, str] = field(default_factory=dict)

    def orphans(self) -> tuple[str, ...]:
        names: list[str] = []
        for host, releases in self.releases.items():
            entries = self.ledger.of(host)
            if not entries:
                continue
            current = current_deployment(entries)
            live = "" if current is None else current.release.id
            known = set(succeeded_releases(entries))
            names += [
                f"{release['version']} on {host}"
                for identifier, release in releases.items()
                if identifier != live and (identifier not in known or release["running"])
            ]
        return tuple(names)

    def without_replicas(self, release: Release) -> tuple[str, ...]:
        needed = Counter({role.name: role.replicas for role in release.roles})
        return tuple(
            host
            for host, releases in self.releases.items()
            if release.id not in releases or needed - releases[release.id]["running"]
        )

    def without_image(self, release: Release) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class MemoryStore:
    """Writes the ledger while its holder has the lock."""

    hosts: Mapping[str, MemoryHost]
    holder: Holder

    def begin(self, deployment: Deployment) -> None:
        self.write(deployment)

    def write(self, deployment: Deployment, *, hosts: Collection[str] | None = None) -> None:
        self.require_held()
        for name, host in self.hosts.items():
            if hosts is None or name in hosts:
                host.entries[deployment.number] = deployment

    def update(self, entries: Mapping[str, Sequence[Deployment]], seen: MemoryObservation) -> None:
        for host, own in entries.items():
            for entry in own:
                self.write(entry, hosts=[host])

    def fingerprint_key(self, seen: MemoryObservation) -> bytes:
        for host in self.hosts.values():
            host.key = host.key or b"made on first use"
        return next(host.key for host in self.hosts.values())

    def require_held(self) -> None:
        if any(host.holder != self.holder for host in self.hosts.values()):
            raise SessionLost("the lock was taken away")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """Starts the release on one host."""

    id: ClassVar[StepId] = StepId.START
    host: str

    def describe(self) -> str:
        return "start the release"

    def run(self, context: MemoryContext) -> None:
        context.runtime[self.host].start(context.plan.release)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shift:
    """Gives the release the traffic of one host."""

    id: ClassVar[StepId] = StepId.SHIFT_TRAFFIC
    host: str

    def describe(self) -> str:
        return "shift the traffic"

    def run(self, context: MemoryContext) -> None:
        context.runtime[self.host].switch(context.plan.release)


@dataclass(frozen=True, slots=True, kw_only=True)
class _CleanUp:
    """Stops the other releases of one host."""

    id: ClassVar[StepId] = StepId.CLEAN_UP
    host: str

    def describe(self) -> str:
        return "stop the others"

    def run(self, context: MemoryContext) -> None:
        succeeded = succeeded_releases(context.plan.ledger.of(self.host))
        context.runtime[self.host].only(context.plan.release, succeeded)


MemoryContext = RolloutContext[Mapping[str, MemoryHost]]


@dataclass(slots=True)
class MemoryPlatform:
    """One deployer's connection to the hosts."""

    machines: Mapping[str, MemoryHost]

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(self.machines)

    @contextlib.contextmanager
    def lock(self, holder: Holder) -> Iterator[MemoryStore]:
        for host in self.machines.values():
            if host.holder is not None:
                raise LockHeld(f"{host.name}: locked by {host.holder}")
        for host in self.machines.values():
            host.holder = holder
        try:
            yield MemoryStore(self.machines, holder)
        finally:
            for host in self.machines.values():
                host.holder = None if host.holder == holder else host.holder

    def observe(self, images: Sequence[str] = ()) -> MemoryObservation:
        return MemoryObservation(
            ledger=merge(
                {
                    name: Ledger(entries=tuple(entry for _, entry in sorted(host.entries.items())))
                    for name, host in self.machines.items()
                }
            ),
            releases={
                name: {identifier: dict(known) for identifier, known in host.releases.items()}
                for name, host in self.machines.items()
            },
        )

    def plan(self, kind: Kind, release: Release, seen: MemoryObservation) -> Plan:
        draft = draft_plan(kind, release, seen.ledger, self.hosts)
        return draft if draft.unchanged else dataclasses.replace(draft, stages=_stages(self.hosts))

    def start_rollout(self) -> Mapping[str, MemoryHost]:
        return self.machines

    def probes(self, plan: Plan) -> Sequence[RouteProbe]:
        return ()

    def last_logs(self, release: Release) -> Mapping[str, str]:
        return {f"{release.version} on {host}": "its last line\n" for host in self.machines}

    def silent(self, desired: Mapping[str, Desired]) -> Mapping[str, str]:
        return {name: "it hangs" for name in desired if self.machines[name].hangs}

    def reconcile(self, desired: Mapping[str, Desired], cancel: Cancel) -> ReconcileResult:
        result = ReconcileResult()
        for name, wanted in desired.items():
            host = self.machines[name]
            try:
                self._reconcile(host, wanted, result)
            except DeploymentFailed as error:
                result.failures[host.name] = error
        return result

    def _reconcile(self, host: MemoryHost, desired: Desired, result: ReconcileResult) -> None:
        if host.broken:
            raise DeploymentFailed(f"{host.name}: broken", code=ErrorCode.HOST_UNREACHABLE)
        if desired.deployment is None:
            host.releases.clear()
            return
        release = desired.deployment.release
        if host.name in self.observe().without_replicas(release):
            result.notes.append(f"{host.name}: {release.version} is started again")
            host.start(release)
        host.switch(release)
        host.only(release, desired.succeeded)


def _stages(hosts: Sequence[str]) -> tuple[Stage, ...]:
    return (
        Stage(name="start", steps=tuple(_Start(host=host) for host in hosts)),
        Stage(name="switch", steps=tuple(_Shift(host=host) for host in hosts)),
        Stage(name="record", steps=(Record(),)),
        Stage(name="clean-up", steps=tuple(_CleanUp(host=host) for host in hosts)),
    )
