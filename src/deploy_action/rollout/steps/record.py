"""Records the release as live: the point of no return of a rollout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.rollout.step import StepId

if TYPE_CHECKING:
    from deploy_action.checks.request_probe import RequestStats
    from deploy_action.rollout.context import RolloutContext

__all__ = ["Record", "require_no_lost_requests"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Writes down on every host that the release is live."""

    id: ClassVar[StepId] = StepId.RECORD
    host: str = ""

    def describe(self) -> str:
        return "record the release as live"

    def run(self, context: RolloutContext[Any]) -> None:
        for probe in context.probes:
            probe.make_sure()
        require_no_lost_requests(context.stats(), context.plan.configuration.probe.lost)
        context.journal.succeed()


def require_no_lost_requests(stats: RequestStats, allowed: int) -> None:
    """Refuse to call a rollout a success when more probe requests failed than `allowed`.

    Raises:
        DeploymentFailed: with the first few losses in words.
    """
    if stats.lost > allowed:
        raise DeploymentFailed(
            f"{stats.lost} of {stats.sent} probe requests through the edge failed: "
            + "; ".join(stats.losses),
            remedy="does the new release answer what the probe asks? (probe in deploy.yaml)",
            code=ErrorCode.REQUESTS_LOST,
        )
