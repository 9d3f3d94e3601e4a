"""The registry of commands: a name here is a module beside it with `COMMAND` and `run`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from deploy_action.errors import BadInput, DeployActionError, ErrorCode
from deploy_action.suggest import suggestion

if TYPE_CHECKING:
    from deploy_action.commands.command import Command
    from deploy_action.events.progress import Progress
    from deploy_action.inputs import Inputs
    from deploy_action.results.answers import Report

__all__ = ["NAMES", "all_commands", "describe", "perform"]

NAMES = (
    "init",
    "validate",
    "check",
    "build",
    "plan",
    "deploy",
    "promote",
    "rollback",
    "status",
    "history",
    "monitor",
    "drift",
    "maintenance",
    "canary",
    "run",
    "unlock",
    "doctor",
    "docs",
)
"""Every command, in the order of the help."""


def describe(name: str) -> Command:
    """Return what a command declares about itself.

    Raises:
        BadInput: there is no such command.
    """
    if name not in NAMES:
        raise BadInput(
            f"there is no command {name!r}{suggestion(name, NAMES)}",
            remedy="deploy-action --help",
            code=ErrorCode.UNKNOWN_COMMAND,
        )
    declared: Command = _module(name).COMMAND
    return declared


def all_commands() -> list[Command]:
    """Return every command; this imports all of them."""
    return [describe(name) for name in NAMES]


def perform(name: str, inputs: Inputs, progress: Progress) -> Report:
    """Run a command and return its report; an error that a user may see becomes one.

    Raises:
        Exception: a bug; everything but `DeployActionError` is passed on.
    """
    from deploy_action.results.outcome import Outcome

    try:
        report: Report = _module(name).run(inputs, progress)
    except DeployActionError as error:
        return Outcome.of_error(error, environment=inputs.environment or "")
    return report


def _module(name: str) -> Any:
    """Import one command alone: the others would cost a third of a second."""
    return import_module(f"deploy_action.commands.{name}")
