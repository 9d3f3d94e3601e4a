"""Records the release as live: the point of no return of a rollout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from deploy_action.checks.request_probe import require_no_lost_requests
from deploy_action.rollout.step import StepId

if TYPE_CHECKING:
    from deploy_action.rollout.context import RolloutContext

__all__ = ["Record"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Writes down on every host that the release is live."""

    id: ClassVar[StepId] = StepId.RECORD
    host: str = ""

    def describe(self) -> str:
        return "record the release as live"

    def run(self, context: RolloutContext[Any]) -> None:
        require_no_lost_requests(context.probes, allowed=context.plan.configuration.probe.lost)
        context.journal.succeed()
