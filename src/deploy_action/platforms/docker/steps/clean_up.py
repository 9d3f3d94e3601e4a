"""Lets the old replicas go once the new release is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deploy_action.platforms.docker.reconcile import reconcile_host
from deploy_action.platforms.protocol import Desired
from deploy_action.releases.ledger import succeeded_releases
from deploy_action.rollout.step import StepId

if TYPE_CHECKING:
    from deploy_action.platforms.docker.runtime import DockerContext

__all__ = ["CleanUp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanUp:
    """Drains the old replicas, stops them unless they stay on standby, removes older ones."""

    id: ClassVar[StepId] = StepId.CLEAN_UP
    host: str
    keep: int
    standby: bool = False
    first: bool = False

    def describe(self) -> str:
        releases = "release" if self.keep == 1 else "releases"
        kept = f"keep the last {self.keep} {releases}"
        if self.first:
            return "remove what earlier attempts left"
        if self.standby:
            return f"drain the old replicas and leave them running on standby; {kept}"
        return f"drain and stop the old replicas; {kept}"

    def run(self, context: DockerContext) -> None:
        plan = context.plan
        desired = Desired(
            deployment=context.journal.deployment,
            succeeded=(plan.release.id, *succeeded_releases(plan.ledger.of(self.host))),
            secrets=context.secrets,
            drain_seconds=plan.configuration.stop.drain_seconds,
            wait_for_exit=False,
        )
        host = context.runtime.hosts[self.host]
        with context.events.waiting(
            "waiting for the last requests of the old replicas",
            host=self.host,
            limit_seconds=desired.drain_seconds,
        ):
            context.log.add(reconcile_host(host, desired, context.cancel))
