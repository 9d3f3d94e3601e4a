"""One module per command with `run(inputs, progress)`; `perform` calls one and tells observers."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from deploy_action.errors import DeployActionError, ErrorCode
from deploy_action.events.model import CommandFinished, CommandStarted
from deploy_action.events.stream import EventStream
from deploy_action.interruption import uninterrupted

if TYPE_CHECKING:
    from types import ModuleType

    from deploy_action.events.stream import Observer
    from deploy_action.inputs import Inputs
    from deploy_action.results.reports import Report

__all__ = ["perform", "prepare"]

END_SECONDS = 5.0
INTERRUPTED_SECONDS = 2.0
"""A cancelled job is killed soon: https://docs.github.com/actions/reference/workflow-cancellation-reference"""


def prepare(command: str) -> ModuleType:
    """Import what a command needs, and nothing else: starting up stays quick."""
    return importlib.import_module(f"deploy_action.commands.{command}")


def perform(command: str, inputs: Inputs, observers: Sequence[Observer] = ()) -> Report:
    """Run a command and return its report, also for errors that a user may see.

    Observers are told that it starts, all that happens, and its report. The end waits for them
    for at most END_SECONDS, or INTERRUPTED_SECONDS; their notes are in the report.

    Raises:
        Exception: a bug; whatever is no `DeployActionError` is passed on.
    """
    from deploy_action.results.outcome import Outcome
    from deploy_action.results.reports import with_notes

    stream = EventStream(observers)
    stream.publish(CommandStarted(command=command, environment=inputs.environment or ""))
    try:
        report = cast("Report", prepare(command).run(inputs, stream))
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
    # What was done is reported whole, whoever cancels now.
    with uninterrupted():
        stream.publish(CommandFinished(report=report))
        notes = stream.close(INTERRUPTED_SECONDS if cancelled else END_SECONDS)
    return with_notes(report, notes)
