"""JSON and TOML read by the standard library, within limits; keys have no positions there."""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable

from deploy_action.config.document import MAX_DEPTH, MAX_NODES, Document, Position, Unreadable
from deploy_action.problem import Problem

__all__ = ["parse_json", "parse_toml"]

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def parse_json(text: str, *, file: str) -> Document:
    """Read JSON text (RFC 8259) into a document.

    Raises:
        Unreadable: not well-formed, or past the limits.
    """
    problems: list[Problem] = []

    def collect(pairs: list[tuple[str, object]]) -> dict[str, object]:
        data = dict(pairs)
        if len(data) < len(pairs):
            times = Counter(key for key, _ in pairs)
            problems.extend(
                Problem(
                    file=file,
                    message=f"the key '{key}' is given twice in one object",
                    hint="remove one of them; most readers would silently take the last",
                    rule="duplicate-key",
                )
                for key in data
                if times[key] > 1
            )
        return data

    try:
        data = json.loads(text, parse_constant=_refuse, object_pairs_hook=collect)
    except json.JSONDecodeError as error:
        raise Unreadable.because(
            file,
            "json-syntax",
            f"not valid JSON: {error.msg}",
            at=Position(error.lineno, error.colno),
        ) from None
    except RecursionError:
        raise _too_deep(file) from None
    except ValueError as error:
        raise Unreadable.because(file, "json-syntax", f"not valid JSON: {error}") from None
    _check_limits(data, file)
    return Document(file=file, data=data, problems=tuple(problems))


def parse_toml(text: str, *, file: str) -> Document:
    """Read TOML text into a document; dates become the text that a JSON Schema can look at.

    Raises:
        Unreadable: not well-formed, or past the limits.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        at = Position(int(place[1]), int(place[2])) if place and place[1] else Position()
        message = f"not valid TOML: {_PLACE.sub('', str(error))}"
        raise Unreadable.because(file, "toml-syntax", message, at=at) from None
    except RecursionError:
        raise _too_deep(file) from None
    except ValueError as error:
        raise Unreadable.because(file, "toml-syntax", f"not valid TOML: {error}") from None
    _check_limits(data, file)
    return Document(file=file, data=_without_dates(data))


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is not a number in JSON")


def _too_deep(file: str) -> Unreadable:
    return Unreadable.because(file, "too-deep", f"nested deeper than {MAX_DEPTH} levels")


def _check_limits(data: object, file: str) -> None:
    """Refuse what jsonschema would need too long, or too many frames, to look at."""
    level, depth, count = [data], 0, 0
    while level:
        count += len(level)
        if depth > MAX_DEPTH:
            raise _too_deep(file)
        if count > MAX_NODES:
            raise Unreadable.because(file, "too-many-values", f"more than {MAX_NODES} values")
        level = [item for value in level for item in _children(value)]
        depth += 1


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _without_dates(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_dates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_dates(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value
