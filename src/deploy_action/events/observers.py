"""The registry of observers: who is told of a command's events. A new one is one entry here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from deploy_action.clock import SystemClock
from deploy_action.events.console import Console
from deploy_action.events.json_lines import JsonLines
from deploy_action.events.stream import InBackground, Observer

if TYPE_CHECKING:
    from deploy_action.inputs import Inputs
    from deploy_action.render.text import Style

__all__ = ["OBSERVERS", "ObserverContext", "observers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverContext:
    """What an observer is made from.

    Attributes:
        log: where people read along; stderr, or the step's log.
        output: where the output of users' programs goes; None is the log.
        verbose: show the time of day.
        width: returns the columns of the log's terminal; None where it is none, or a dumb one.
        json_lines: write the log for programs, one JSON object a line.
    """

    inputs: Inputs
    log: TextIO
    style: Style
    verbose: bool = False
    width: Callable[[], int] | None = None
    json_lines: bool = False
    output: TextIO | None = None


def _now() -> str:
    return SystemClock().now().isoformat(timespec="milliseconds")


def _console(context: ObserverContext) -> Observer:
    if context.json_lines:
        output = context.output or context.log
        return JsonLines(context.log, output=output, now=_now)
    time_of_day = (lambda: time.strftime("%H:%M:%S")) if context.verbose else None
    return Console(
        context.log,
        context.style,
        output=context.output,
        time_of_day=time_of_day,
        width=context.width,
    )


def _github(context: ObserverContext) -> Observer | None:
    if not context.inputs.github_record:
        return None
    # The client of GitHub's API, which no other command needs.
    from deploy_action.events.github import reporter

    return InBackground(reporter(context.inputs))


def _notifications(context: ObserverContext) -> Observer | None:
    # What can be told is in deploy.yaml, which the command has not read yet.
    from deploy_action.events.notifications import Notifier

    return InBackground(Notifier(context.inputs))


OBSERVERS: tuple[Callable[[ObserverContext], Observer | None], ...] = (
    _console,
    _github,
    _notifications,
)
"""Each returns its observer, or None where nobody asked for it; a slow one is `InBackground`."""


def observers(context: ObserverContext) -> tuple[Observer, ...]:
    """Return the observers of one command."""
    made = (make(context) for make in OBSERVERS)
    return tuple(observer for observer in made if observer is not None)
