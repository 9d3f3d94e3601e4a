"""Plain YAML values that are not what they look like, where the schema accepts them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from deploy_action.config.document import Document, KeyPath
from deploy_action.config.merge import lookup
from deploy_action.config.secret_detection import HIDDEN, shown
from deploy_action.problem import Problem, Severity

__all__ = ["surprising_scalars"]

_TEXT_MAPS = {"env", "labels", "args", "headers", "response_headers"}
_OLD_BOOLEANS = {"yes", "no", "on", "off"}


def surprising_scalars(document: Document, data: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield values such as ``1.10`` for a text, ``010`` for a number or ``no`` for false."""
    for path, text in document.written.items():
        value = lookup(data, path)
        severity = None if value is None else _severity(path, text, value)
        if severity is None:
            continue
        message, hint = _words(path, text, value)
        yield document.problem(path, message, "ambiguous-value", hint=hint, severity=severity)


def _is_text(path: KeyPath) -> bool:
    return len(path) > 1 and path[-2] in _TEXT_MAPS


def _severity(path: KeyPath, text: str, value: object) -> Severity | None:
    if _is_text(path):
        return Severity.ERROR
    if isinstance(value, bool):
        if text.lower() not in _OLD_BOOLEANS:
            return None
        return Severity.ERROR if "json" in path else Severity.WARNING
    if isinstance(value, float):
        plain = math.isfinite(value) and ":" not in text and "_" not in text
        return None if plain else Severity.ERROR
    return Severity.ERROR


def _words(path: KeyPath, text: str, value: object) -> tuple[str, str]:
    """Return message and hint."""
    read_as = shown(path, value)
    if read_as == HIDDEN:
        return "YAML does not read this as a text", "put it in quotes"
    kind = "the boolean" if isinstance(value, bool) else "the number"
    message = f"YAML reads {text} as {kind} {read_as}"
    if _is_text(path):
        return message, f'write "{text}" in quotes'
    if isinstance(value, float) and not math.isfinite(value):
        return message, "write a finite number"
    return message, f'write {read_as}, or "{text}" in quotes for the text'
