"""Starts a replica of the new release, or one that was kept, beside the old ones."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deploy_action.checks.health import start_failure
from deploy_action.errors import DeployActionError, DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.admission import ReplicaAdmission
from deploy_action.platforms.docker.names import require_names
from deploy_action.platforms.docker.replicas import Replica, with_traffic
from deploy_action.platforms.docker.tls import install_certificate, with_certificate
from deploy_action.platforms.docker.traffic import with_candidates
from deploy_action.rollout.step import StepId

if TYPE_CHECKING:
    from deploy_action.platforms.docker.edge.state import Backend
    from deploy_action.platforms.docker.engine.protocol import Container
    from deploy_action.platforms.docker.host import Host
    from deploy_action.platforms.docker.runtime import DockerContext

__all__ = ["Start"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Starts one replica.

    Attributes:
        kept: name of the container that is there already; None for a new one.
        standby: it runs already, too.
    """

    id: ClassVar[StepId] = StepId.START
    host: str
    role: str
    index: int
    kept: str | None = None
    standby: bool = False

    def describe(self) -> str:
        if self.standby:
            return f"replica {self.index + 1} is on standby already: {self.kept}"
        what = f"the kept container {self.kept}" if self.kept else "a new container"
        return f"start replica {self.index + 1}: {what}"

    def run(self, context: DockerContext) -> None:
        host = context.runtime.hosts[self.host]
        create = functools.partial(self._create, host, context)
        start = functools.partial(self._start, host, context)
        release = context.plan.release
        require_names(host, context.plan.configuration)
        if context.plan.configuration.route is None or not release.takes_traffic(self.role):
            start(create())
            return
        count = sum(role.replicas for role in release.roles if role.takes_traffic)
        admission = ReplicaAdmission(host.edge, count, functools.partial(_announce, host, context))
        context.runtime.admission(self.host, admission).admit(create, start)

    def _create(self, host: Host, context: DockerContext) -> Replica:
        """Create the replica, or find the one that was kept; it does not run yet."""
        with self._explained(host, context):
            kept = host.engine.container(self.kept) if self.kept is not None else None
            replica = Replica.read(self._anew(host, context) if kept is None else kept)
        context.runtime.started[self.host, self.role, self.index] = replica
        return replica

    def _anew(self, host: Host, context: DockerContext) -> Container:
        release = context.plan.release
        return host.create_replica(
            release,
            next(role for role in release.roles if role.name == self.role),
            number=context.plan.number,
            index=self.index,
            secrets=context.secrets,
        )

    def _start(self, host: Host, context: DockerContext, replica: Replica) -> Replica:
        """Start a replica; return it, or the one that had to be made anew at another address."""
        with self._explained(host, context):
            if self.standby:
                return replica
            if replica.name == self.kept:
                host.session.ping()
                if replica.container.running:
                    # The deployment before asked it to stop, and it is still stopping.
                    seconds = context.plan.configuration.stop.timeout_seconds
                    host.engine.stop(replica.container.id, timeout_seconds=seconds)
                host.engine.start(replica.container.id)
                return replica
            recreate = functools.partial(self._anew, host, context)
            started = host.start_replica(replica.container, recreate)
        if started.id == replica.container.id:
            return replica
        other = Replica.read(started)
        context.runtime.started[self.host, self.role, self.index] = other
        return other

    @contextlib.contextmanager
    def _explained(self, host: Host, context: DockerContext) -> Iterator[None]:
        try:
            yield
        except DeployActionError as error:
            why = start_failure(error.code)
            if not why:
                raise
            raise DeploymentFailed(
                f"{host.name}: replica {self.index + 1} could not start: {why}",
                cause=error.what,
                remedy=f"try it by hand: docker run --rm {context.plan.release.reference}; see "
                "entrypoint and command in deploy.yaml",
                code=ErrorCode.REPLICA_NOT_STARTED,
            ) from error


def _announce(host: Host, context: DockerContext) -> Backend | None:
    """Make sure that an edge runs which knows the candidates as soon as they run."""
    plan, runtime = context.plan, context.runtime
    if plan.configuration.route is not None:
        host.ensure_edge(plan.configuration.route)
        renewed = host.renew_edge()
        if renewed:
            context.events.say(renewed, host=host.name)
    certificate = install_certificate(host, runtime.certificate)
    candidates = with_traffic(runtime.on(host.name), plan.release)
    on_standby = {step.kept for step in plan.steps() if isinstance(step, Start) and step.standby}
    return host.edge.announce(
        host.backend,
        lambda old: with_certificate(
            with_candidates(host.placement, plan.configuration, old, candidates), certificate
        ),
        starting={replica.name for replica in candidates} - on_standby,
    )
