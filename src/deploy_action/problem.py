"""A problem at a place in a file, as configuration and gates report it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Problem", "Severity"]


class Severity(StrEnum):
    """How much a problem weighs; only errors stop a deployment."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A finding that can be shown in a terminal and as an annotation on GitHub.

    Attributes:
        file: path as the user would type it, relative to the working directory.
        line: 1-based line; 0 for the file as a whole.
        column: 1-based column; 0 for the line as a whole.
        where: dotted path inside the document (``environments.production.replicas``),
            or the rule's identifier for a scanner; may be empty.
        message: what is wrong, in plain words; never contains a secret.
        hint: how to fix it ("did you mean 'replicas'?"); may be empty.
        rule: stable identifier of the rule ("unknown-key", "B602").
    """

    file: str
    line: int = 0
    column: int = 0
    where: str = ""
    message: str
    hint: str = ""
    rule: str = ""
    severity: Severity = Severity.ERROR

    @property
    def place(self) -> str:
        """The file, with line and column as far as they are known."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part)

    @property
    def sentence(self) -> str:
        """What is wrong and how to fix it."""
        where = f"{self.where}: " if self.where else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.message}{hint}"

    def __str__(self) -> str:
        return f"{self.place}: {self.severity}: {self.sentence}"
