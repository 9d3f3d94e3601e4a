"""One violation of a JSON Schema taken apart, and what is told about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from deploy_action.config.document import KeyPath
from deploy_action.config.secret_detection import HIDDEN, shown

__all__ = ["TYPES", "Diagnostic", "ViolationContext", "Wording"]

Wording = Literal["values", "no values"]

TYPES = {
    "object": "a map",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """What to tell about one violation.

    Attributes:
        key: the key below the violation's path that is meant; None for the path itself.
        at_key: point at the key rather than at the value.
    """

    message: str
    rule: str
    hint: str = ""
    key: str | int | None = None
    at_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ViolationContext:
    """A violation, taken apart."""

    path: KeyPath
    root: Mapping[str, Any]
    schema: Mapping[str, Any]
    limit: Any
    value: Any
    written: str | None
    wording: Wording

    def show(self, value: object) -> str:
        """Return a value for a message, if values may be shown at all."""
        hide = self.wording == "no values" and not isinstance(value, dict | list | None)
        return HIDDEN if hide else shown(self.path, value)
