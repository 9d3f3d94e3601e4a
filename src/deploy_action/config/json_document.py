"""JSON with positions: the standard library reads it, a small scanner finds the places."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from deploy_action.config.document import (
    MAX_DEPTH,
    MAX_NODES,
    Document,
    KeyPath,
    Position,
    Unreadable,
    dotted,
    position_of,
)
from deploy_action.problem import Problem

__all__ = ["parse_json"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


class _NotJson(ValueError):
    """A number that JSON does not have."""


def parse_json(text: str, *, file: str) -> Document:
    """Read JSON text (RFC 8259) into a document.

    Raises:
        Unreadable: not well-formed, or past the limits.
    """
    _check_limits(text, file)
    try:
        data = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise Unreadable(
            Problem(
                file=file,
                line=error.lineno,
                column=error.colno,
                message=f"not valid JSON: {error.msg}",
                rule="json-syntax",
            )
        ) from None
    except ValueError as error:
        problem = Problem(file=file, message=f"not valid JSON: {error}", rule="json-syntax")
        raise Unreadable(problem) from None
    scan = _Scan(text, file)
    return Document(
        file=file,
        data=data,
        keys=scan.keys,
        values=scan.values,
        problems=tuple(scan.problems),
    )


def _refuse(name: str) -> object:
    raise _NotJson(f"{name} is not a number in JSON")


def _check_limits(text: str, file: str) -> None:
    """Count before json.loads recurses."""
    depth = count = 0
    for match in _TOKEN.finditer(text):
        token = match.group()
        depth += (token in "{[") - (token in "}]")
        count += token not in "{}[],:"
        if depth > MAX_DEPTH or count > 2 * MAX_NODES:
            at = position_of(text, match.start())
            deep = depth > MAX_DEPTH
            message = f"nested deeper than {MAX_DEPTH} levels" if deep else "too many values"
            rule = "too-deep" if deep else "too-many-values"
            raise Unreadable(
                Problem(file=file, line=at.line, column=at.column, message=message, rule=rule)
            )


class _Scan:
    """Positions and duplicate keys of a text that is already known to be valid JSON."""

    def __init__(self, text: str, file: str) -> None:
        self.keys: dict[KeyPath, Position] = {}
        self.values: dict[KeyPath, Position] = {}
        self.problems: list[Problem] = []
        self._file = file
        self._tokens = _positioned(text)
        self._next()
        self._value(())

    def _next(self) -> None:
        self._token, self._at = next(self._tokens, ("", Position(1, 1)))

    def _value(self, path: KeyPath) -> None:
        self.values[path] = self._at
        opening = self._token
        self._next()
        if opening == "{":
            self._object(path)
        elif opening == "[":
            self._array(path)

    def _object(self, path: KeyPath) -> None:
        seen: dict[str, int] = {}
        while self._token != "}":
            if self._token == ",":
                self._next()
            key = str(json.loads(self._token))
            here = (*path, key)
            if key in seen:
                self.problems.append(
                    Problem(
                        file=self._file,
                        line=self._at.line,
                        column=self._at.column,
                        where=dotted(here),
                        message=f"the key '{key}' is already given in line {seen[key]}",
                        hint="remove one of them; most readers would silently take the last",
                        rule="duplicate-key",
                    )
                )
            seen.setdefault(key, self._at.line)
            self.keys[here] = self._at
            self._next()
            self._next()
            self._value(here)
        self._next()

    def _array(self, path: KeyPath) -> None:
        index = 0
        while self._token != "]":
            if self._token == ",":
                self._next()
            here = (*path, index)
            self.keys[here] = self._at
            self._value(here)
            index += 1
        self._next()


def _positioned(text: str) -> Iterator[tuple[str, Position]]:
    line, line_start, done = 1, 0, 0
    for match in _TOKEN.finditer(text):
        newlines = text.count("\n", done, match.start())
        if newlines:
            line += newlines
            line_start = text.rfind("\n", 0, match.start()) + 1
        done = match.start()
        yield match.group(), Position(line, match.start() - line_start + 1)
