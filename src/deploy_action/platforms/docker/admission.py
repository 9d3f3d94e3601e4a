"""Start a release's replicas on a host, while its edge is told of them.

An engine needs some tenths of a second to start a container, and an edge some to have a change
checked and written down. So both are done at one time; the running edge gets the new servers when
all replicas run.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deploy_action.checks.health import start_failure
from deploy_action.errors import DeployActionError, DeploymentFailed
from deploy_action.platforms.docker.replicas import Replica
from deploy_action.platforms.docker.tls import install_certificate, with_certificate
from deploy_action.platforms.docker.traffic import with_candidates
from deploy_action.rollout.steps import Start

if TYPE_CHECKING:
    from deploy_action.events.progress import Progress
    from deploy_action.platforms.docker.edge.certificates import Bundle
    from deploy_action.platforms.docker.edge.edge import Edge
    from deploy_action.platforms.docker.edge.state import Backend
    from deploy_action.platforms.docker.engine.protocol import Container
    from deploy_action.platforms.docker.host import Host
    from deploy_action.rollout.plan import Plan

__all__ = ["Starter"]


@dataclass(slots=True, kw_only=True)
class Starter:
    """Starts what a plan says, on all hosts.

    Attributes:
        certificate: what the edge shall answer with; None keeps what it has.
        replicas: (host, index) → what was created; filled here.
    """

    plan: Plan
    secrets: Mapping[str, str]
    certificate: Bundle | None
    progress: Progress
    replicas: dict[tuple[str, int], Replica]
    _entrances: dict[str, ReplicaAdmission] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def on(self, host: str) -> list[Replica]:
        """Return what was created on a host, by index."""
        return [replica for (where, _), replica in sorted(self.replicas.items()) if where == host]

    def start(self, site: Host, step: Start) -> None:
        """Create and start one replica, in a thread of its own, and bring it into the edge."""
        create = functools.partial(self._create, site, step)
        start = functools.partial(self._run, site, step)
        if self.plan.environment.route is None:
            start(create())
            return
        with self._guard:
            entrance = self._entrances.get(site.host)
            if entrance is None:
                count = self.plan.environment.replicas
                entrance = ReplicaAdmission(
                    site.edge, count, functools.partial(self._tell_edge, site)
                )
                self._entrances[site.host] = entrance
        entrance.take(create, start)

    def _create(self, site: Host, step: Start) -> Replica:
        """Create a replica, or find the one that was kept; it does not run yet."""
        with self._explained(site, step):
            kept = site.engine.container(step.kept) if step.kept is not None else None
            replica = Replica.read(self._anew(site, step) if kept is None else kept)
        self.replicas[site.host, step.index] = replica
        return replica

    def _anew(self, site: Host, step: Start) -> Container:
        return site.create_replica(
            self.plan.environment,
            self.plan.release,
            number=self.plan.number,
            index=step.index,
            secrets=self.secrets,
        )

    def _run(self, site: Host, step: Start, replica: Replica) -> Replica:
        """Start a replica; return it, or the one that had to be made anew at another address."""
        with self._explained(site, step):
            if step.standby:
                return replica
            if replica.name == step.kept:
                site.session.ping()
                if replica.container.running:
                    # Asked to end by the deployment before, it is still about it.
                    seconds = self.plan.environment.stop.timeout_seconds
                    site.engine.stop(replica.container.id, timeout_seconds=seconds)
                site.engine.start(replica.container.id)
                return replica
            anew = functools.partial(self._anew, site, step)
            started = site.start_replica(replica.container, anew)
        if started.id == replica.container.id:
            return replica
        self.replicas[site.host, step.index] = other = Replica.read(started)
        return other

    def _tell_edge(self, site: Host) -> Backend | None:
        """Have an edge that will know the candidates as soon as they run."""
        site.ensure_edge()
        renewed = site.renew_edge()
        if renewed:
            self.progress.say(renewed, host=site.host)
        certificate = install_certificate(site, self.certificate)
        mine = self.on(site.host)
        return site.edge.announce(
            site.backend,
            lambda old: with_certificate(
                with_candidates(self.plan.environment, old, mine), certificate
            ),
            starting={replica.name for replica in mine} - self._standing_by(),
        )

    def _standing_by(self) -> set[str | None]:
        """Return the names of what runs already, as the plan says."""
        steps = (step for stage in self.plan.stages for step in stage.steps)
        return {step.kept for step in steps if isinstance(step, Start) and step.standby}

    @contextlib.contextmanager
    def _explained(self, site: Host, step: Start) -> Iterator[None]:
        try:
            yield
        except DeployActionError as error:
            why = start_failure(error.code)
            if not why:
                raise
            raise DeploymentFailed(
                f"{site.host}: replica {step.index + 1} could not start: {why}",
                cause=error.what,
                remedy=f"try it by hand: docker run --rm {self.plan.release.reference}; see entrypoint "
                "and command in deploy.yaml",
            ) from error


class ReplicaAdmission:
    """How the replicas of one host come into its edge; each is started in a thread of its own."""

    def __init__(self, edge: Edge, count: int, tell: Callable[[], Backend | None]) -> None:
        """Wait for `count` replicas.

        Args:
            tell: writes down in the edge all that were created, and returns its backend.
        """
        self._edge, self._tell = edge, tell
        self._guard = threading.Lock()
        self._to_create = self._to_start = count
        self._told: Future[Backend | None] | None = None

    def take(self, create: Callable[[], Replica], start: Callable[[Replica], Replica]) -> None:
        """Create and start one replica; the last one created has the edge told, the last one that
        runs has all of them admitted.

        Args:
            start: returns the replica that runs, another one where it had to be made anew.
        """
        created = create()
        # Left only when the edge was told: what is under way cannot be undone.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="edge") as beside:
            with self._guard:
                self._to_create -= 1
                if self._to_create == 0:
                    self._told = beside.submit(self._tell)
            running = start(created)
        with self._guard:
            # Whoever tells the edge later finds the one that runs.
            told = self._told
        if told is not None and running is not created:
            # It may be at another address than the edge was told.
            told.result()
            self._tell()
        with self._guard:
            self._to_start -= 1
            last = self._to_start == 0
        if last and self._told is not None:
            self._edge.admit(self._told.result())
