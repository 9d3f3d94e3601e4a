"""Gives the new release its share of the traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deploy_action.config.model import Retry
from deploy_action.errors import DeploymentFailed
from deploy_action.platforms.docker.names import keep_names
from deploy_action.platforms.docker.smoke import SmokeRunner, require_reached
from deploy_action.platforms.docker.tls import verify_served_certificate
from deploy_action.platforms.docker.traffic import shift_traffic
from deploy_action.results.notes import Note, NoteCode
from deploy_action.rollout.step import StepId

if TYPE_CHECKING:
    from deploy_action.platforms.docker.edge.state import Backend
    from deploy_action.platforms.docker.runtime import DockerContext

__all__ = ["ShiftTraffic"]

_RELOADING = Retry(deadline_seconds=5.0, interval_seconds=0.05)
"""Until a reload has handed the port over, an old worker may still answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftTraffic:
    """Gives the new replicas `percent` of the requests; with all of them comes their route."""

    id: ClassVar[StepId] = StepId.SHIFT_TRAFFIC
    host: str
    percent: int

    def describe(self) -> str:
        return f"shift {self.percent} % of the traffic to the new release"

    def run(self, context: DockerContext) -> None:
        host, runtime = context.runtime.hosts[self.host], context.runtime
        names = {replica.name for replica in runtime.on(self.host)}

        def move(old: Backend | None) -> Backend | None:
            if old is None:
                raise DeploymentFailed(
                    f"{host.name}: the edge has lost the backend {host.backend}",
                    remedy="deploy-action drift, then deploy again",
                )
            configuration = context.plan.configuration
            return shift_traffic(host.placement, configuration, old, names, self.percent)

        host.edge.change(host.backend, move)
        if self.percent < 100:
            return
        if runtime.certificate is not None:
            route = context.plan.configuration.route
            for note in verify_served_certificate(host, route, runtime.certificate):
                context.events.warn(note, host=host.name)
        for text in keep_names(host, context.plan.configuration):
            context.log.note(Note(NoteCode.NETWORK_NAME_TAKEN, text))
        runner = SmokeRunner.of(context, host)
        require_reached(runner.route(retry=_RELOADING, others=True))
        require_reached(runner.names(retry=_RELOADING))
