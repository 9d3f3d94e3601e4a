"""validate: read deploy.yaml and report everything that is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.config import check
from deploy_action.results.outcome import Outcome, Result

if TYPE_CHECKING:
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs

__all__ = ["run"]


def run(inputs: Inputs, progress: EventStream) -> Outcome:  # noqa: ARG001
    """Return `valid` or `invalid` with every problem; needs no network and no Docker."""
    config, problems = check(inputs.config)
    return Outcome(
        result=Result.INVALID if config is None else Result.VALID,
        service="" if config is None else config.service,
        problems=problems,
    )
