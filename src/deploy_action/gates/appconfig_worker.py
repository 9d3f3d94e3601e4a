"""The killable half of the configuration gate: one file against its schema and required keys.

Reads what to do as JSON from standard input and answers with JSON. Runs as a script, because
isolated mode finds this package only where it is installed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy_action.config.document import (
    Document,
    Format,
    KeyPath,
    Unreadable,
    dotted,
    format_of,
    parse,
    read_bytes,
)
from deploy_action.config.merge import lookup
from deploy_action.config.schema import violations
from deploy_action.problem import Problem
from deploy_action.suggest import closest

__all__ = ["main"]

# A document may be 64 levels deep, and jsonschema needs several frames for each.
_RECURSION = 10_000


class _NotChecked(Exception):
    """The file could not be checked; `problems` says why."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = problems


def main() -> None:
    """Read the order, check, answer."""
    sys.setrecursionlimit(_RECURSION)
    order = json.load(sys.stdin)
    findings: list[Problem] = []
    unchecked: tuple[Problem, ...] = ()
    try:
        findings.extend(_check(order))
    except _NotChecked as reason:
        unchecked = reason.problems
    answer = {
        "findings": [asdict(problem) for problem in findings],
        "unchecked": [asdict(problem) for problem in unchecked],
    }
    json.dump(answer, sys.stdout)


def _check(order: Mapping[str, Any]) -> Iterator[Problem]:
    file = order["file"]
    try:
        content = read_bytes(Path(file), file=file)
    except Unreadable as error:
        raise _NotChecked(*error.problems) from None
    schema = _schema(order["schema"]) if order["schema"] else None
    try:
        document = parse(content, file=file, format=_format(order), strict=False)
    except Unreadable as error:
        yield from error.problems
        return
    yield from document.problems
    for key in order["required"]:
        yield from _required(document, key)
    if schema is not None:
        yield from _against(document, schema, order["schema"])


def _format(order: Mapping[str, Any]) -> Format:
    if order["format"]:
        return cast("Format", order["format"])
    return format_of(order["file"]) or "yaml"


def _schema(file: str) -> Document:
    """Read a schema, written in JSON or YAML, and hold it against its own meta-schema."""
    from jsonschema import Draft202012Validator, validators

    try:
        content = read_bytes(Path(file), file=file)
        document = parse(content, file=file, format=format_of(file) or "json", strict=False)
    except Unreadable as error:
        raise _NotChecked(*error.problems) from None
    schema: Any = document.data
    draft = schema.get("$schema") if isinstance(schema, dict) else None
    known = draft is None or isinstance(draft, str)
    kind = validators.validator_for(schema if known else True, default=Draft202012Validator)
    if draft is not None and str(draft).rstrip("#") != kind.META_SCHEMA["$schema"].rstrip("#"):
        message = f"the draft {draft} of JSON Schema is not known"
        hint = 'write "$schema": "https://json-schema.org/draft/2020-12/schema"'
        raise _NotChecked(Problem(file=file, message=message, hint=hint, rule="bad-schema"))
    errors = kind(kind.META_SCHEMA).iter_errors(schema)
    wrong = tuple(_bad_schema(document, tuple(error.absolute_path)) for error in errors)
    if wrong:
        raise _NotChecked(*dict.fromkeys(wrong))
    return document


def _bad_schema(document: Document, path: KeyPath) -> Problem:
    at = document.key_at(path)
    return Problem(
        file=document.file,
        line=at.line,
        column=at.column,
        where=dotted(path),
        message="this is no valid JSON Schema",
        rule="bad-schema",
    )


def _against(document: Document, schema: Document, file: str) -> Iterator[Problem]:
    from referencing.exceptions import Unresolvable

    rules = cast("Mapping[str, Any] | bool", schema.data)
    try:
        problems = [item.problem for item in violations(document, rules, wording="no values")]
        yield from sorted(problems, key=lambda item: (item.line, item.column, item.rule))
        return
    except Unresolvable as error:
        message = f"the reference {error.ref} leads out of the schema"
        hint = "only references inside one file are followed; put it under $defs"
    except re.error as error:
        message, hint = f"the pattern {error.pattern!r} is not valid: {error.msg}", "mend it"
    except RecursionError:
        message, hint = "the schema refers to itself without end", "mend its $ref"
    raise _NotChecked(Problem(file=file, message=message, hint=hint, rule="bad-schema"))


def _required(document: Document, key: str) -> Iterator[Problem]:
    """Tell the first part of a dotted key that is not there, or that the whole has no value."""
    path: KeyPath = ()
    for part in key.split("."):
        here = lookup(document.data, path)
        step: str | int = int(part) if isinstance(here, list) and part.isdecimal() else part
        known = [str(name) for name in here] if isinstance(here, dict) else []
        missing = object()
        if lookup(document.data, (*path, step), missing) is missing:
            likely = closest(part, known)
            yield _missing(
                document,
                path,
                key,
                message=f"the required key '{key}' is missing",
                hint=f"did you mean '{likely}'?" if likely else "",
            )
            return
        path = (*path, step)
    if lookup(document.data, path) is None:
        yield _missing(document, path, key, message=f"the required key '{key}' has no value")


def _missing(
    document: Document, path: KeyPath, key: str, *, message: str, hint: str = ""
) -> Problem:
    at = document.key_at(path)
    return Problem(
        file=document.file,
        line=at.line,
        column=at.column,
        where=key,
        message=message,
        hint=hint,
        rule="missing-key",
    )


if __name__ == "__main__":
    main()
