"""One module per command with `run(inputs, progress)`; here one is found by name and called."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from deploy_action.errors import DeployActionError

if TYPE_CHECKING:
    from types import ModuleType

    from deploy_action.events.progress import Progress
    from deploy_action.inputs import Inputs
    from deploy_action.results.answers import Report

__all__ = ["perform", "prepare"]


def prepare(command: str) -> ModuleType:
    """Import what a command needs, and nothing else: starting up stays quick."""
    return importlib.import_module(f"deploy_action.commands.{command}")


def perform(command: str, inputs: Inputs, progress: Progress) -> Report:
    """Run a command and return what it came to; the errors that a user may see included.

    Raises:
        Exception: a bug; whatever is no `DeployActionError` is passed on.
    """
    from deploy_action.results.outcome import Outcome

    try:
        return cast("Report", prepare(command).run(inputs, progress))
    except DeployActionError as error:
        return Outcome.of_error(error, environment=inputs.environment or "")
