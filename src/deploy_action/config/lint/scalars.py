"""Plain YAML values that are not what they look like, where the schema accepts them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from deploy_action.config.document import Document, KeyPath, dotted
from deploy_action.config.merge import lookup
from deploy_action.config.secrecy import HIDDEN, shown
from deploy_action.problem import Problem, Severity

__all__ = ["surprising_scalars"]

_TEXT_MAPS = {"env", "labels", "args", "headers", "response_headers"}
_OLD_BOOLEANS = {"yes", "no", "on", "off"}


def surprising_scalars(document: Document, data: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield values such as ``1.10`` for a text, ``010`` for a number or ``no`` for false."""
    for path, text in document.written.items():
        value = lookup(data, path)
        if value is None:
            continue
        severity = _severity(path, text, value)
        if severity is None:
            continue
        at = document.value_at(path)
        read_as = shown(path, value)
        hidden = read_as == HIDDEN
        written = "this" if hidden else text
        yield Problem(
            file=document.file,
            line=at.line,
            column=at.column,
            where=dotted(path),
            message=f"YAML reads {written} as {_kind(value)}{'' if hidden else f' {read_as}'}",
            hint=_hint(path, text, value, hidden=hidden),
            rule="ambiguous-value",
            severity=severity,
        )


def _severity(path: KeyPath, text: str, value: object) -> Severity | None:
    for_a_text = len(path) > 1 and path[-2] in _TEXT_MAPS
    if for_a_text:
        return Severity.ERROR
    if isinstance(value, bool):
        if text.lower() not in _OLD_BOOLEANS:
            return None
        return Severity.ERROR if "json" in path else Severity.WARNING
    if isinstance(value, float):
        plain = math.isfinite(value) and ":" not in text and "_" not in text
        return None if plain else Severity.ERROR
    return Severity.ERROR


def _kind(value: object) -> str:
    return "the boolean" if isinstance(value, bool) else "the number"


def _hint(path: KeyPath, text: str, value: object, *, hidden: bool) -> str:
    if hidden:
        return "put it in quotes"
    quoted = f'"{text}" in quotes for the text'
    if len(path) > 1 and path[-2] in _TEXT_MAPS:
        return f'write "{text}" in quotes'
    return f"write {shown(path, value)}, or {quoted}"
