"""Paths into a JSON document: ``items[0].id``, ``$.a["key.with.dots"]``, ``$``.

The syntax is the part of RFC 9535 that names exactly one value, with the leading ``$.`` optional:
member names after a dot or in ``["…"]``, indexes in ``[0]``, negative ones from the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

__all__ = ["Missing", "equal", "look_up", "parse_path"]

_SEGMENT = re.compile(
    r"""\[\s*(?P<index>-?(?:0|[1-9][0-9]{0,8}))\s*\]
      | \[\s*(?P<double>"(?:[^"\\]|\\.)*")\s*\]
      | \[\s*'(?P<single>[^'\\]*)'\s*\]
      | \.?(?P<name>[^.\[\]'"\s]+)""",
    re.VERBOSE,
)


class Missing(LookupError):
    """A document has no value at a path; the message names the first step that fails."""


def parse_path(text: str) -> tuple[str | int, ...]:
    """Split a path into member names and indexes.

    Raises:
        ValueError: it is not a path; the message says where it stops being one.
    """
    position = 0
    if text == "$" or text.startswith(("$.", "$[")):
        position = 1
    elif not text or text.startswith("."):
        raise ValueError(f"{text!r} is not a JSON path such as items[0].id")
    steps: list[str | int] = []
    while position < len(text):
        match = _SEGMENT.match(text, position)
        # A name follows a dot, except at the very beginning.
        glued = match is not None and match["name"] is not None and text[position] != "."
        if match is None or (glued and position > 0):
            raise ValueError(
                f"{text!r} is not a JSON path such as items[0].id (from {text[position:]!r} on)"
            )
        if match["index"] is not None:
            steps.append(int(match["index"]))
        elif match["double"] is not None:
            steps.append(str(json.loads(match["double"])))
        else:
            steps.append(match["single"] if match["single"] is not None else match["name"])
        position = match.end()
    return tuple(steps)


def look_up(document: object, path: str) -> object:
    """Return the value at `path`.

    Raises:
        Missing: there is none.
        ValueError: the path is malformed.
    """
    value = document
    walked = "$"
    for step in parse_path(path):
        if isinstance(step, int):
            walked += f"[{step}]"
            if not isinstance(value, list):
                raise Missing(f"there is no list for {walked}, but {_kind(value)}")
            if not -len(value) <= step < len(value):
                raise Missing(f"there is no {walked}: the list has {len(value)} items")
            value = value[step]
        else:
            walked += f".{step}" if step.isidentifier() else f"[{json.dumps(step)}]"
            if not isinstance(value, dict):
                raise Missing(f"there is no object for {walked}, but {_kind(value)}")
            if step not in value:
                raise Missing(f"there is no {walked}")
            value = value[step]
    return value


def equal(expected: object, got: object) -> bool:
    """Compare as JSON does: 1 equals 1.0, but neither true nor "1"."""
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    if isinstance(expected, int | float) and isinstance(got, int | float):
        return expected == got
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        return expected.keys() == got.keys() and all(equal(expected[k], got[k]) for k in expected)
    if isinstance(expected, str) or isinstance(got, str):
        return isinstance(expected, str) and isinstance(got, str) and expected == got
    if isinstance(expected, Sequence) and isinstance(got, Sequence):
        return len(expected) == len(got) and all(map(equal, expected, got))
    return expected is None and got is None


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"
