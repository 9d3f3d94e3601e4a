"""The first and last words of a container's log: what is repeated is shown once. Pure."""

from __future__ import annotations

import re
from collections import Counter

from deploy_action.redaction import excerpt

__all__ = ["notable_lines"]

_FIRST_LINES = 10
_LAST_LINES = 30
_LINE_CHARACTERS = 300
_NUMBER = re.compile(r"\d+|(?<=0x)[0-9a-f]+")
"""Lines that differ only in numbers (a time, a port, a counter) say the same."""


def notable_lines(log: str) -> tuple[str, ...]:
    """Return at most 41 lines of a log, of at most 300 characters each.

    A health check comes up to 40 times a second, and an application may write a line or a traceback
    for each: of lines that differ only in numbers the first is kept.
    """
    lines = [line.rstrip() for line in log.splitlines() if line.strip()]
    shapes = [_NUMBER.sub("0", line) for line in lines]
    count = Counter(shapes)
    first = dict(zip(reversed(shapes), reversed(lines), strict=True))
    kept = [
        excerpt(first[shape], _LINE_CHARACTERS) + (" (repeated)" if count[shape] > 1 else "")
        for shape in dict.fromkeys(shapes)
    ]
    left_out = len(kept) - _FIRST_LINES - _LAST_LINES
    if left_out <= 1:
        return tuple(kept)
    return (*kept[:_FIRST_LINES], f"… {left_out} lines …", *kept[-_LAST_LINES:])
