"""Waits until a replica is healthy and makes sure that it is the release it should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deploy_action.platforms.docker.health import await_healthy, health_of, require_release
from deploy_action.platforms.docker.smoke import SmokeRunner, require_passed
from deploy_action.rollout.step import StepId

if TYPE_CHECKING:
    from deploy_action.platforms.docker.runtime import DockerContext

__all__ = ["Verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Verifies one replica.

    Attributes:
        standby: it ran before, and said who it is when it was deployed.
    """

    id: ClassVar[StepId] = StepId.VERIFY
    host: str
    role: str
    index: int
    standby: bool = False

    def describe(self) -> str:
        return f"wait until replica {self.index + 1} is healthy and runs the image of this release"

    def run(self, context: DockerContext) -> None:
        host = context.runtime.hosts[self.host]
        replica = context.runtime.started[self.host, self.role, self.index]
        release = context.plan.release
        health = health_of(release, self.role)
        with context.events.waiting(
            f"waiting for replica {self.index + 1} to be healthy",
            host=self.host,
            limit_seconds=health.deadline_seconds,
        ) as tell:
            await_healthy(host, replica, release, context.cancel, tell)
        require_release(host, replica, release)
        if not self.standby and release.answers_requests(self.role):
            require_passed(SmokeRunner.of(context, host).identity(replica), context.log)
