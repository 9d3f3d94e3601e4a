"""Workflow commands: the one place that writes them, and that keeps others' text from being one.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TextIO

from deploy_action.problem import Problem, Severity

__all__ = ["Commands", "defused", "escape_data", "escape_property"]

_MOST_PER_LEVEL = 10
_MOST_CHARACTERS = 4096


def escape_data(text: str) -> str:
    """Escape the message of a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """Escape the value of a property of a command."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def defused(line: str) -> str:
    """Keep a line from being taken for a command of the older form, which counts anywhere in it."""
    return line.replace("##[", "##\u200b[")


@dataclass(slots=True)
class Commands:
    """Writes commands to the step's log.

    GitHub shows at most ten annotations of each level per step; `left_out` holds the others, for
    the summary.
    """

    stream: TextIO
    left_out: list[Problem] = field(default_factory=list)
    _written: dict[Severity, int] = field(default_factory=dict)

    def mask(self, secret: str) -> None:
        """Hide a value in everything that follows; each of its lines by itself."""
        for line in {secret, *secret.splitlines()}:
            if line.strip():
                self._command("add-mask", {}, line)

    def annotate(self, problem: Problem) -> None:
        """Show a problem at its place in the code."""
        count = self._written.get(problem.severity, 0)
        if count >= _MOST_PER_LEVEL:
            self.left_out.append(problem)
            return
        self._written[problem.severity] = count + 1
        properties = {"file": problem.file, "title": problem.rule}
        if problem.line:
            properties["line"] = str(problem.line)
        if problem.line and problem.column:
            properties["col"] = str(problem.column)
        where = f"{problem.where}: " if problem.where else ""
        hint = f" ({problem.hint})" if problem.hint else ""
        message = f"{where}{problem.message}{hint}"[:_MOST_CHARACTERS]
        self._command(str(problem.severity), properties, message)

    def error(self, title: str, message: str) -> None:
        """Show an error that belongs to no file."""
        self._command("error", {"title": title}, message[:_MOST_CHARACTERS])

    @contextlib.contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold what is written inside."""
        self._command("group", {}, title)
        try:
            yield
        finally:
            self._command("endgroup", {}, "")

    @contextlib.contextmanager
    def no_commands(self) -> Iterator[None]:
        """Take nothing that is written inside for a command: it comes from outside."""
        token = secrets.token_hex(16)
        self._command("stop-commands", {}, token)
        try:
            yield
        finally:
            self._command(token, {}, "")

    def write(self, lines: Iterable[str]) -> None:
        """Write plain lines."""
        self.stream.write("".join(f"{defused(line)}\n" for line in lines))
        self.stream.flush()

    def _command(self, name: str, properties: dict[str, str], data: str) -> None:
        given = ",".join(f"{k}={escape_property(v)}" for k, v in properties.items() if v)
        self.stream.write(f"::{name}{' ' if given else ''}{given}::{escape_data(data)}\n")
        self.stream.flush()
