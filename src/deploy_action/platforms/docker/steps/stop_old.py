"""Stops what serves, because old and new cannot run at once: the announced gap begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deploy_action.rollout.step import StepId

if TYPE_CHECKING:
    from deploy_action.platforms.docker.runtime import DockerContext

__all__ = ["StopOld"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopOld:
    """Stops every running replica of other releases."""

    id: ClassVar[StepId] = StepId.STOP_OLD
    host: str

    def describe(self) -> str:
        return "stop the old replicas (stop-first: nothing serves from here on)"

    def run(self, context: DockerContext) -> None:
        host, stop = context.runtime.hosts[self.host], context.plan.configuration.stop
        for replica in host.replicas():
            if replica.container.running and replica.release != context.plan.release.id:
                # It must not come back by itself while the new one uses its volume.
                host.engine.set_restart(replica.container.id, "no")
                host.engine.stop(
                    replica.container.id, timeout_seconds=stop.timeout_seconds, signal=stop.signal
                )
