"""The Docker platform: the hosts of one environment, each an engine with an edge of its own."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deploy_action.errors import DeployActionError, DeploymentFailed, ErrorCode
from deploy_action.events.stream import EventStream
from deploy_action.parallel import Cancel, run_parallel
from deploy_action.platforms.docker.certificate_files import missing_certificate
from deploy_action.platforms.docker.drift import differences
from deploy_action.platforms.docker.engine import Engine, connect
from deploy_action.platforms.docker.host import Host, observe, open_reader
from deploy_action.platforms.docker.lock import current, holder_labels, lock_name, read_holder
from deploy_action.platforms.docker.locking import lock_host
from deploy_action.platforms.docker.observation import DockerObservation, HostObservation
from deploy_action.platforms.docker.plan import plan_rollout
from deploy_action.platforms.docker.probes import probes
from deploy_action.platforms.docker.reconcile import reconcile_host, remove_orphaned_hooks
from deploy_action.platforms.docker.replicas import Placement, of_release
from deploy_action.platforms.docker.requirements import host_facts, require_met, unmet
from deploy_action.platforms.docker.runtime import DockerRuntime
from deploy_action.platforms.docker.serving import why_silent
from deploy_action.platforms.docker.store import DockerStore
from deploy_action.platforms.docker.tls import renew_certificate
from deploy_action.platforms.protocol import ReconcileResult
from deploy_action.redaction import redact
from deploy_action.releases.model import Kind
from deploy_action.releases.signatures import Signatures

if TYPE_CHECKING:
    from datetime import datetime

    from deploy_action.checks.request_probe import RouteProbe
    from deploy_action.clock import Clock
    from deploy_action.config.model import Environment
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.docker.edge.certificates import Bundle
    from deploy_action.platforms.docker.lock import Lock
    from deploy_action.platforms.protocol import Desired, Holder
    from deploy_action.releases.model import Release
    from deploy_action.results.reports import Check, Difference
    from deploy_action.rollout.plan import Plan

__all__ = ["DockerPlatform", "connect_hosts"]

_UNOBSERVABLE = (ErrorCode.HOST_UNREACHABLE, ErrorCode.EDGE_STATE_UNREADABLE)
"""Failures of one host that leave the others to be looked at."""


@dataclass(slots=True, kw_only=True)
class DockerPlatform:
    """Open connections to every host of an environment.

    Attributes:
        engines: by host, in the order of deploy.yaml.
        inputs: where a missing certificate is read from.
        certificate: what the edge shall answer with after a deployment; None keeps what it has.
        locked: the hosts while the lock is held; empty otherwise.
        partial: a host that does not answer is no error but noted in `unreachable`.
        unreachable: why a host does not answer.
        secrets: names of the environment's secrets.
        events: where it says what it waits for.
    """

    placement: Placement
    engines: Mapping[str, Engine]
    inputs: Inputs
    clock: Clock
    certificate: Bundle | None = None
    lock_wait_seconds: float = 0.0
    locked: dict[str, Host] = field(default_factory=dict)
    partial: bool = False
    unreachable: dict[str, str] = field(default_factory=dict)
    signatures: Signatures = field(default_factory=Signatures)
    secrets: tuple[str, ...] = ()
    events: EventStream = field(default_factory=EventStream)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts, in the order of deploy.yaml."""
        return tuple(self.engines)

    @property
    def first(self) -> Engine:
        """The engine that is asked where one answer is enough."""
        return next(iter(self.engines.values()))

    # The lock

    @contextlib.contextmanager
    def lock(self, holder: Holder) -> Iterator[DockerStore]:
        """Hold the lock of every host: the first one's, and with it the right to take the others'.

        All commands begin with the same host, so that one of many at a time gets them all. Two
        whose lists of hosts differ may refuse each other, before either has changed anything.

        Raises:
            LockHeld: another user has one; those already taken are released.
            BadInput: entries have to be signed, and there is no key.
        """
        self.signatures.require_key()
        taken: dict[str, tuple[Lock, Host]] = {}
        cancel = Cancel()

        def take(name: str) -> None:
            taken[name] = self._lock_host(name, holder, cancel)

        first, *others = sorted(self.engines)
        try:
            run_parallel(take, [first], cancel=cancel)
            run_parallel(take, others, cancel=cancel)
            self.locked = {name: taken[name][1] for name in self.engines}
            yield DockerStore(self.locked)
        finally:
            self.locked = {}
            # Those that were taken before one failed, too.
            for lock, _ in taken.values():
                lock.release()

    def _lock_host(self, name: str, holder: Holder, cancel: Cancel) -> tuple[Lock, Host]:
        return lock_host(
            name,
            self.engines[name],
            self.placement,
            labels=holder_labels(holder),
            wait_seconds=self.lock_wait_seconds,
            clock=self.clock,
            cancel=cancel,
            signatures=self.signatures,
            events=self.events,
        )

    @property
    def _lock_name(self) -> str:
        placement = self.placement
        return lock_name(placement.edge.name, placement.service, placement.environment)

    def holders(self) -> Mapping[str, Holder]:
        """Return who holds the lock, by host; without the hosts that do not answer."""
        locks = {name: current(self.engines[name], self._lock_name) for name in self.answering}
        return {host: read_holder(lock) for host, lock in locks.items() if lock is not None}

    def break_locks(self) -> None:
        """Remove the lock on every host, whoever holds it."""
        for engine in self.engines.values():
            lock = current(engine, self._lock_name)
            if lock is not None:
                engine.remove(lock.id)

    # Looking

    def observe(self, images: Sequence[str] = ()) -> DockerObservation:
        """Look at every host; one on which nothing was ever deployed is empty.

        Raises:
            DeploymentFailed: under the lock, what is live somewhere is not signed as it has to be.
        """
        if self.locked:
            found = run_parallel(lambda host: observe(host, images), list(self.locked.values()))
            for each in found:
                each.ledger.require_signed(each.host)
            return self._protected(DockerObservation.of(found))
        found = run_parallel(lambda name: self._observe_unlocked(name, images), self.hosts)
        lost = [
            HostObservation(host=host, problem=why)
            for host, why in self.unreachable.items()
            if host not in self.engines
        ]
        return self._protected(DockerObservation.of([*found, *lost]))

    def _protected(self, seen: DockerObservation) -> DockerObservation:
        """Have the values masked that containers were started with: they may be older ones."""
        for host in seen.hosts:
            for replica in host.replicas:
                for name in self.secrets:
                    redact.protect(replica.container.env.get(name, ""))
        return seen

    def _observe_unlocked(self, name: str, images: Sequence[str]) -> HostObservation:
        engine = self.engines[name]
        try:
            with self.reader(name) as host:
                if host is not None:
                    return observe(host, images)
                present = {image: found for image in images if (found := engine.image(image))}
                return HostObservation(
                    host=name,
                    subnet=engine.networks().get(self.placement.network, ""),
                    image_ids={image: found.id for image, found in present.items()},
                    without_healthcheck=frozenset(
                        image for image, found in present.items() if not found.healthcheck
                    ),
                    image_volumes={image: found.volumes for image, found in present.items()},
                )
        except DeploymentFailed as error:
            # To be connected is no answer yet: an engine may fail later.
            if not self.partial or error.code not in _UNOBSERVABLE:
                raise
            if error.code is ErrorCode.HOST_UNREACHABLE:
                self.unreachable[name] = error.what
            return HostObservation(host=name, problem=error.what)

    @property
    def answering(self) -> tuple[str, ...]:
        """The hosts that have answered whatever was asked so far."""
        return tuple(name for name in self.engines if name not in self.unreachable)

    def reader(self, name: str) -> contextlib.AbstractContextManager[Host | None]:
        """Open a session on a host that takes no lock; None where nothing was deployed yet."""
        return open_reader(name, self.engines[name], self.placement, self.clock, self.signatures)

    def drift(self, seen: DockerObservation, now: datetime) -> tuple[Difference, ...]:
        """Compare every host with the ledger."""

        def compare(host: HostObservation) -> tuple[Difference, ...]:
            def has_file(container_id: str, path: str) -> bool:
                return self.engines[host.host].read_file(container_id, path) is not None

            return differences(host, seen.ledger, self.placement, now=now, has_file=has_file)

        return tuple(difference for host in seen.hosts for difference in compare(host))

    def last_logs(self, release: Release) -> Mapping[str, str]:
        """Return the first and last log lines of a release's replicas, by name and host."""
        logs: dict[str, str] = {}
        for name, host in self.locked.items():
            try:
                for replica in of_release(host.replicas(), release):
                    logs[f"{replica.name} on {name}"] = host.engine.log_ends(replica.container.id)
            except DeployActionError:
                continue
        return logs

    def silent(self, desired: Mapping[str, Desired]) -> Mapping[str, str]:
        """Ask the releases that were brought back; say by host why one does not answer."""

        def ask(name: str) -> str:
            deployment = desired[name].deployment
            if deployment is None:
                return ""
            try:
                return why_silent(self.locked[name], deployment.release)
            except (DeployActionError, OSError) as error:
                return f"it could not be asked: {error}"

        names = [name for name in self.locked if name in desired]
        return {name: why for name, why in zip(names, run_parallel(ask, names), strict=True) if why}

    # Changing

    def plan(self, kind: Kind, release: Release, seen: DockerObservation) -> Plan:
        """Return the steps that make `release` live.

        Raises:
            BadInput: a host lacks what the release's containers need to start.
        """
        plan = plan_rollout(kind, release, self.hosts, seen)
        if plan.unchanged:
            return plan
        configuration = release.configuration

        def lacks(name: str) -> tuple[Check, ...]:
            image_id = seen.host(name).image_ids.get(release.reference, "-")
            facts = host_facts(self.engines[name], configuration, image_id)
            return () if facts is None else tuple(unmet(name, configuration, facts))

        found = [check for each in run_parallel(lacks, self.answering) for check in each]
        return dataclasses.replace(plan, notes=(*plan.notes, *require_met(found)))

    def start_rollout(self) -> DockerRuntime:
        """Return what the steps of a rollout share."""
        return DockerRuntime(hosts=self.locked, certificate=self.certificate)

    def probes(self, plan: Plan) -> Sequence[RouteProbe]:
        """Return the probe requests that go through each host's edge."""
        return [probe for host in self.locked.values() for probe in probes(plan, host)]

    def require_certificate(
        self, release: Release, today: Environment, seen: DockerObservation
    ) -> None:
        """Read the certificate that deploy.yaml names today where a host has none for a release.

        Raises:
            BadInput: a host has none, and none was given that can be used.
        """
        self.certificate = missing_certificate(release.configuration, today, seen, self.inputs)

    def reconcile(self, desired: Mapping[str, Desired], cancel: Cancel) -> ReconcileResult:
        """Bring the hosts to what is desired of them, all in parallel."""

        def bring(host: Host) -> ReconcileResult:
            try:
                remove_orphaned_hooks(host)
                return reconcile_host(host, desired[host.name], cancel)
            except (DeployActionError, OSError) as error:
                return ReconcileResult(failures={host.name: error})

        result = ReconcileResult()
        hosts = [host for name, host in self.locked.items() if name in desired]
        for done in run_parallel(bring, hosts, cancel=cancel):
            result.add(done)
        return result

    def renew_certificate(self, release: Release) -> tuple[str, ...]:
        """Have every edge answer with a new certificate while the release stays; say what was done."""
        route = release.configuration.route
        return tuple(
            note
            for host in self.locked.values()
            for note in renew_certificate(host, route, self.certificate)
        )


@contextlib.contextmanager
def connect_hosts(
    environment: Environment,
    inputs: Inputs,
    clock: Clock,
    *,
    events: EventStream | None = None,
    certificate: Bundle | None = None,
    partial: bool = False,
) -> Iterator[DockerPlatform]:
    """Connect to every host of an environment.

    Args:
        partial: go on with the hosts that answer, as long as one does.

    Raises:
        HostUnreachable: a host does not answer; none was touched.
    """
    unreachable: dict[str, str] = {}
    engines: dict[str, Engine] = {}
    failures: dict[str, DeployActionError] = {}

    def open_engine(name: str) -> None:
        try:
            engines[name] = connect(name)
        except DeployActionError as error:
            failures[name] = error

    try:
        run_parallel(open_engine, environment.hosts)
        if failures and not (partial and engines):
            raise next(iter(failures.values()))
        unreachable = {name: error.what for name, error in failures.items()}
        yield DockerPlatform(
            placement=Placement.of(environment),
            engines={name: engines[name] for name in environment.hosts if name in engines},
            inputs=inputs,
            clock=clock,
            certificate=certificate,
            lock_wait_seconds=inputs.lock_wait_seconds,
            partial=partial,
            unreachable=unreachable,
            signatures=Signatures.of(environment, inputs.environ),
            secrets=environment.secrets,
            events=events or EventStream(),
        )
    finally:
        for engine in engines.values():
            engine.close()
