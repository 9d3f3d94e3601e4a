"""The observer for programs: one JSON object a line, which says what happens by its identifiers."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from deploy_action.events.console import pass_on
from deploy_action.events.model import (
    CommandFinished,
    CommandStarted,
    DeploymentStarted,
    Message,
    Output,
    QuotedOutput,
    StepFinished,
    StepStarted,
    UndoStarted,
    Waiting,
    WaitingEnded,
    WarningMessage,
)

if TYPE_CHECKING:
    from deploy_action.events.model import Event
    from deploy_action.results.notes import Note

__all__ = ["JsonLines"]


class JsonLines:
    """Writes `{"time": …, "event": …, …}` for each event, as it comes.

    Args:
        stream: where to write.
        output: where a user's program wrote to its stdout; what it wrote to stderr is an event.
        now: the time, ISO 8601.
    """

    name = "the progress in JSON"

    def __init__(self, stream: TextIO, *, output: TextIO, now: Callable[[], str]) -> None:
        self._stream = stream
        self._output = output
        self._now = now

    def notify(self, event: Event) -> None:
        """Write the event."""
        if isinstance(event, Output) and not event.error:
            pass_on(self._output, event.content)
            return
        line = json.dumps({"time": self._now(), **_fields(event)}, ensure_ascii=False)
        # A reader that went away must not undo a deployment.
        with contextlib.suppress(OSError):
            self._stream.write(f"{line}\n")
            self._stream.flush()

    def close(self, timeout_seconds: float) -> tuple[Note, ...]:  # noqa: ARG002
        """Everything is written already."""
        return ()


def _fields(event: Event) -> Mapping[str, Any]:
    match event:
        case CommandStarted(command=command, environment=environment):
            return {"event": "command-started", "command": command, "environment": environment}
        case CommandFinished(report=report):
            code = None if report is None else int(report.exit_code)
            return {"event": "command-finished", "exit_code": code}
        case DeploymentStarted(deployment=deployment):
            return {
                "event": "deployment-started",
                "deployment": deployment.id,
                "version": deployment.release.version,
                "digest": deployment.release.digest,
            }
        case StepStarted(step=step, text=text, host=host):
            return {"event": "step-started", "step": step, "host": host, "text": text}
        case StepFinished(step=step, seconds=seconds, host=host):
            seconds = round(seconds, 3)
            return {"event": "step-finished", "step": step, "host": host, "seconds": seconds}
        case UndoStarted(code=code, text=text):
            return {"event": "undo-started", "code": code, "text": text}
        case Waiting():
            return {"event": "waiting", **dataclasses.asdict(event)}
        case WaitingEnded(text=text, host=host):
            return {"event": "waiting-ended", "host": host, "text": text}
        case Message(text=text, host=host):
            return {"event": "message", "host": host, "text": text}
        case WarningMessage(text=text, host=host):
            return {"event": "warning", "host": host, "text": text}
        case QuotedOutput(title=title, lines=lines):
            return {"event": "quoted", "title": title, "lines": list(lines)}
        case Output(content=content):
            return {"event": "output", "text": content.decode(errors="replace")}
