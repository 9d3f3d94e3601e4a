"""Which parts of a source line may not be shown beside a problem, because they may be secret."""

from __future__ import annotations

import re

from deploy_action.config.secret_detection import secret_spans

__all__ = ["masked"]

_MASK = "***"
# A key of YAML, JSON or TOML, quoted or not, and what separates it from its value.
_KEY = re.compile(r"([\w.-]+)[\"']?\s*[:=]\s+|[\"']?([\w.-]+)[\"']\s*:\s*")
_SENSITIVE = re.compile(
    r"pass|secret|token|key|credential|auth|cookie|dsn|private|signature", re.IGNORECASE
)
# `secrets:` itself holds names only.
_NAMES_ONLY = {"secrets"}
_URL_PASSWORD = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
# Inside a flow map a quoted value ends with its quote, a plain one at the next comma or brace.
_FLOW_VALUE = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|[^\"'\s,{}\[\]][^,{}\[\]]*")


def masked(line: str, where: str, column: int) -> tuple[str, int]:
    """Return the line without what may be secret, and the column where `column` went.

    Args:
        line: one line of a configuration file.
        where: dotted path of the problem; below an `env` map every value is hidden.
        column: 1-based; one inside of a hidden part moves to its begin.
    """
    inside_env = "env" in where.split(".")
    spans = [match.span(1) for match in _URL_PASSWORD.finditer(line)] + secret_spans(line)
    for match in _KEY.finditer(line):
        name = match[1] or match[2]
        if inside_env or (_SENSITIVE.search(name) and name not in _NAMES_ONLY):
            spans += _value(line, match.start(), match.end())
    text, position, moved = "", 0, column
    for start, end in sorted(spans):
        if start < position:
            continue
        if column > end:
            moved += len(_MASK) - (end - start)
        elif column > start:
            moved = len(text) + start - position + 1
        text += line[position:start] + _MASK
        position = end
    return text + line[position:], moved


def _value(line: str, key: int, start: int) -> list[tuple[int, int]]:
    """Return where the value that begins at `start` ends; a nested map is left to its own keys."""
    if start >= len(line) or line[start] in "{#":
        return []
    if "{" in line[:key]:
        match = _FLOW_VALUE.match(line, start)
        if match is not None and match.end() > start:
            return [match.span()]
    return [(start, len(line))]
