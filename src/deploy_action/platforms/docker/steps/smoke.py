"""Runs the smoke tests against replicas without traffic, and through the edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deploy_action.platforms.docker.smoke import SmokeRunner, require_passed
from deploy_action.rollout.step import StepId

if TYPE_CHECKING:
    from deploy_action.platforms.docker.runtime import DockerContext

__all__ = ["CheckEdge", "CheckReplica"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReplica:
    """Runs the smoke tests against a replica that has no traffic yet."""

    id: ClassVar[StepId] = StepId.CHECK_REPLICA
    host: str
    role: str
    index: int
    tests: int

    def describe(self) -> str:
        return f"run {_count(self.tests)} against replica {self.index + 1}"

    def run(self, context: DockerContext) -> None:
        replica = context.runtime.started[self.host, self.role, self.index]
        host = context.runtime.hosts[self.host]
        with context.events.waiting(self.describe().replace("run", "running", 1), host=self.host):
            results = SmokeRunner.of(context, host).replica(replica)
        require_passed(results, context.log)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckEdge:
    """Runs the smoke tests through the edge."""

    id: ClassVar[StepId] = StepId.CHECK_EDGE
    host: str
    tests: int

    def describe(self) -> str:
        return f"run {_count(self.tests)} through the edge"

    def run(self, context: DockerContext) -> None:
        host = context.runtime.hosts[self.host]
        require_passed(SmokeRunner.of(context, host).edge(), context.log)


def _count(tests: int) -> str:
    return "1 smoke test" if tests == 1 else f"{tests} smoke tests"
