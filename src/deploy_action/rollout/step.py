"""What a step of a plan is: one class that identifies, describes and runs itself."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from deploy_action.rollout.context import RolloutContext

__all__ = ["Step", "StepId"]


class StepId(StrEnum):
    """Identifies a kind of step in the plan, the journal and the ledger."""

    PULL = "pull"
    RUN_HOOK = "run-hook"
    STOP_OLD = "stop-old"
    START = "start"
    VERIFY = "verify"
    CHECK_REPLICA = "check-replica"
    SHIFT_TRAFFIC = "shift-traffic"
    CHECK_EDGE = "check-edge"
    WATCH_CANARY = "watch-canary"
    BAKE = "bake"
    WATCH = "watch"
    RECORD = "record"
    CLEAN_UP = "clean-up"


class Step(Protocol):
    """One thing that a rollout does; a value that can be compared and shown before it runs."""

    id: ClassVar[StepId]

    @property
    def host(self) -> str:
        """The host on which it runs; empty for all of them together."""

    def describe(self) -> str:
        """Return one line for people, without the host."""

    def run(self, context: RolloutContext[Any]) -> None:
        """Do it.

        Raises:
            DeploymentFailed: it did not come out right; the rollout is undone.
            Interrupted: the rollout was cancelled meanwhile.
        """
