"""TOML with positions, as well as they can be had: tomllib reads, a search finds the keys."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Mapping

from deploy_action.config.document import (
    MAX_NODES,
    Document,
    KeyPath,
    Position,
    Unreadable,
)
from deploy_action.problem import Problem

__all__ = ["parse_toml"]

_PART = r"(?:\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|[A-Za-z0-9_-]+)"
_NAME = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_NAME})[ \t]*\]")
_KEY = re.compile(rf"[ \t]*({_NAME})[ \t]*=[ \t]*")
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def parse_toml(text: str, *, file: str) -> Document:
    """Read TOML text into a document; positions of keys inside inline tables are not found.

    Raises:
        Unreadable: not well-formed, or past the limits.
    """
    if text.count("=") > MAX_NODES:
        problem = Problem(file=file, message="too many values", rule="too-many-values")
        raise Unreadable(problem)
    try:
        data = _plain(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        message = _PLACE.sub("", str(error))
        raise Unreadable(
            Problem(
                file=file,
                line=int(place[1]) if place and place[1] else 0,
                column=int(place[2]) if place and place[2] else 0,
                message=f"not valid TOML: {message}",
                rule="toml-syntax",
            )
        ) from None
    except (RecursionError, ValueError) as error:
        problem = Problem(file=file, message=f"not valid TOML: {error}", rule="toml-syntax")
        raise Unreadable(problem) from None
    keys, values = _find(text)
    return Document(file=file, data=data, keys=keys, values=values)


def _plain(value: object) -> object:
    """Return the value with dates as the text that a JSON Schema can look at."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return value


def _find(text: str) -> tuple[Mapping[KeyPath, Position], Mapping[KeyPath, Position]]:
    keys: dict[KeyPath, Position] = {}
    values: dict[KeyPath, Position] = {(): Position(1, 1)}
    tables: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, line in enumerate(text.split("\n"), start=1):
        header = _HEADER.match(line)
        if header:
            table = _resolve(_split(header[2]), tables)
            if header[1] == "[[":
                tables[table] = tables.get(table, -1) + 1
                keys.setdefault(table, Position(number, header.start(2) + 1))
                table = (*table, tables[table])
            keys.setdefault(table, Position(number, header.start(2) + 1))
            continue
        key = _KEY.match(line)
        if key:
            path = (*table, *_split(key[1]))
            for length in range(len(table) + 1, len(path) + 1):
                keys.setdefault(path[:length], Position(number, key.start(1) + 1))
            values.setdefault(path, Position(number, key.end() + 1))
    return keys, values


def _split(name: str) -> tuple[str, ...]:
    parts = re.findall(_PART, name)
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in parts)


def _resolve(parts: tuple[str, ...], tables: Mapping[KeyPath, int]) -> KeyPath:
    """Return the path of a header below the newest elements of arrays of tables."""
    path: KeyPath = ()
    for index, part in enumerate(parts):
        path = (*path, part)
        if path in tables and index < len(parts) - 1:
            path = (*path, tables[path])
    return path
