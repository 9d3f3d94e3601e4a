"""validate: read deploy.yaml and report everything that is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.commands.command import Command
from deploy_action.config import check
from deploy_action.results.outcome import Outcome, Result

if TYPE_CHECKING:
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="validate",
    summary="check deploy.yaml; touches nothing and needs no network",
    description=(
        "Reads deploy.yaml and reports all of its problems at once: file, line, column, the reason"
        " in plain words and how to fix it. Warnings do not fail."
    ),
    examples=(
        ("deploy-action validate", "check ./deploy.yaml"),
        ("deploy-action validate -c shop/deploy.yaml --json", "for programs"),
    ),
)


def run(inputs: Inputs, events: EventStream) -> Outcome:  # noqa: ARG001
    """Return `valid` or `invalid` with every problem; needs no network and no Docker."""
    config, problems = check(inputs.config)
    return Outcome(
        result=Result.INVALID if config is None else Result.VALID,
        service="" if config is None else config.service,
        problems=problems,
    )
