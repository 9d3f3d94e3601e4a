"""One module per command with `run(inputs, progress)`; here one is found by name and called."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from deploy_action.errors import DeployActionError

if TYPE_CHECKING:
    from deploy_action.inputs import Inputs
    from deploy_action.progress import Progress
    from deploy_action.report.answers import Report

__all__ = ["perform"]


def perform(command: str, inputs: Inputs, progress: Progress) -> Report:
    """Run a command and return what it came to; the errors that a user may see included.

    Only the module that is needed is imported: starting up stays quick.

    Raises:
        Exception: a bug; whatever is no `DeployActionError` is passed on.
    """
    from deploy_action.report.outcome import Outcome

    try:
        module = importlib.import_module(f"deploy_action.operations.{command}")
        return cast("Report", module.run(inputs, progress))
    except DeployActionError as error:
        return Outcome.of_error(error, environment=inputs.environment or "")
