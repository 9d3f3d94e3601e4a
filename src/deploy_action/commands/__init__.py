"""The registry of commands: a name here is a module beside it with `COMMAND` and `run`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from deploy_action.errors import BadInput, DeployActionError, ErrorCode
from deploy_action.events.model import CommandFinished, CommandStarted
from deploy_action.events.stream import EventStream
from deploy_action.interruption import uninterrupted
from deploy_action.results.outcome import Outcome
from deploy_action.results.reports import with_notes
from deploy_action.suggest import suggestion

if TYPE_CHECKING:
    from deploy_action.commands.command import Command
    from deploy_action.events.stream import Observer
    from deploy_action.inputs import Inputs
    from deploy_action.results.reports import Report

__all__ = ["NAMES", "all_commands", "describe", "module_of", "perform"]

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
    "remove",
    "unlock",
    "doctor",
    "docs",
)
"""Every command, in the order of the help."""

END_SECONDS = 5.0
INTERRUPTED_SECONDS = 2.0
"""A cancelled job is killed soon: https://docs.github.com/actions/reference/workflow-cancellation-reference"""


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
    declared: Command = module_of(name).COMMAND
    return declared


def all_commands() -> list[Command]:
    """Return every command; this imports all of them."""
    return [describe(name) for name in NAMES]


def perform(name: str, inputs: Inputs, observers: Sequence[Observer] = ()) -> Report:
    """Run a command and return its report; an error that a user may see becomes one.

    Observers are told that it starts, all that happens, and its report. The end waits for them
    for at most END_SECONDS, or INTERRUPTED_SECONDS; their notes are in the report.

    Raises:
        Exception: a bug; everything but `DeployActionError` is passed on.
    """
    stream = EventStream(observers)
    stream.publish(CommandStarted(command=name, environment=inputs.environment or ""))
    report: Report
    try:
        report = module_of(name).run(inputs, stream)
    except DeployActionError as error:
        report = Outcome.of_error(error, environment=inputs.environment or "")
    except Exception:
        stream.publish(CommandFinished(report=None))
        stream.close(END_SECONDS)
        raise
    cancelled = (
        isinstance(report, Outcome)
        and report.error is not None
        and report.error.code is ErrorCode.INTERRUPTED
    )
    # From here on a signal no longer interrupts: the report is complete in any case.
    with uninterrupted():
        stream.publish(CommandFinished(report=report))
        notes = stream.close(INTERRUPTED_SECONDS if cancelled else END_SECONDS)
    return with_notes(report, notes)


def module_of(name: str) -> Any:
    """Import one command alone: the others would cost a third of a second."""
    return import_module(f"deploy_action.commands.{name}")
