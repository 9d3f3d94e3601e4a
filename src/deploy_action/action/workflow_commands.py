"""Workflow commands: the one place that writes them and escapes text from outside.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import contextlib
import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TextIO, cast

from deploy_action.problem import Problem, Severity

__all__ = ["Commands", "escape_data", "escape_legacy", "escape_property"]

_MOST_PER_LEVEL = 10
_MOST_CHARACTERS = 4096


def escape_data(text: str) -> str:
    """Escape the message of a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """Escape the value of a property of a command."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def escape_legacy(text: str) -> str:
    """Keep text from being a command of the older form, which counts anywhere in a line.

    The log's page paints such a line as a heading or an error even while commands are stopped.
    """
    return text.replace("##[", "## [")


class _Escaped(io.TextIOBase):
    """A stream whose text cannot be taken for a command of the older form."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(escape_legacy(text))

    def flush(self) -> None:
        self._stream.flush()


@dataclass(slots=True)
class Commands:
    """Writes commands to the step's log.

    GitHub shows at most ten annotations of each level per step; `left_out` holds the others.
    """

    stream: TextIO
    left_out: list[Problem] = field(default_factory=list)
    _written: dict[Severity, int] = field(default_factory=dict)

    def mask(self, text: str) -> None:
        """Hide a text in everything that follows."""
        self._command("add-mask", {}, text)

    def annotate(self, problem: Problem) -> None:
        """Show a problem at its place in the code, or keep it for the summary."""
        if self._written.get(problem.severity, 0) >= _MOST_PER_LEVEL:
            self.left_out.append(problem)
            return
        properties = {"file": problem.file, "title": problem.rule}
        if problem.line:
            properties["line"] = str(problem.line)
        if problem.line and problem.column:
            properties["col"] = str(problem.column)
        self._annotation(problem.severity, properties, problem.sentence)

    def error(self, title: str, message: str) -> None:
        """Show an error that belongs to no file; before the problems, or it may be one too many."""
        self._annotation(Severity.ERROR, {"title": title}, message)

    def warning(self, title: str, message: str) -> None:
        """Show a warning that belongs to no file."""
        self._annotation(Severity.WARNING, {"title": title}, message)

    def notice(self, title: str, message: str) -> None:
        """Show a notice that belongs to no file."""
        self._annotation(Severity.NOTICE, {"title": title}, message)

    @contextlib.contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold what is written inside."""
        self._command("group", {}, escape_legacy(title))
        try:
            yield
        finally:
            self._command("endgroup", {}, "")

    @contextlib.contextmanager
    def no_commands(self) -> Iterator[TextIO]:
        """Yield a stream for text from outside: nothing that is written inside is a command."""
        token = secrets.token_hex(16)
        self._command("stop-commands", {}, token)
        try:
            yield cast("TextIO", _Escaped(self.stream))
        finally:
            self._command(token, {}, "")

    def _annotation(self, severity: Severity, properties: dict[str, str], message: str) -> None:
        self._written[severity] = self._written.get(severity, 0) + 1
        safe = {name: escape_legacy(value) for name, value in properties.items()}
        self._command(str(severity), safe, escape_legacy(message)[:_MOST_CHARACTERS])

    def _command(self, name: str, properties: dict[str, str], data: str) -> None:
        shown = ",".join(f"{k}={escape_property(v)}" for k, v in properties.items() if v)
        self.stream.write(f"::{name}{' ' if shown else ''}{shown}::{escape_data(data)}\n")
        self.stream.flush()
