"""Checks one configuration file against a schema and required keys, as a program of its own.

Reads a request as JSON from standard input and writes a report as JSON. The `config` gate runs it
as a script, because isolated mode finds this package only where it is installed, and kills it when
a pattern of the schema does not end.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy_action.config.document import (
    Document,
    Format,
    KeyPath,
    Unreadable,
    format_of,
    parse,
    read_bytes,
)
from deploy_action.config.merge import lookup
from deploy_action.config.schema import violations
from deploy_action.problem import Problem
from deploy_action.suggest import did_you_mean

__all__ = ["main"]

# A document may be 64 levels deep, and jsonschema needs several frames for each.
_RECURSION = 10_000


class _NotChecked(Exception):
    """The file could not be checked; `problems` has the reasons."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = problems


def main() -> None:
    """Read the request, check, write the report."""
    sys.setrecursionlimit(_RECURSION)
    request = json.load(sys.stdin)
    findings: list[Problem] = []
    unchecked: tuple[Problem, ...] = ()
    try:
        findings.extend(_check(request))
    except _NotChecked as reason:
        unchecked = reason.problems
    report = {
        "findings": [asdict(problem) for problem in findings],
        "unchecked": [asdict(problem) for problem in unchecked],
    }
    json.dump(report, sys.stdout)


def _check(request: Mapping[str, Any]) -> Iterator[Problem]:
    file = request["file"]
    try:
        content = read_bytes(Path(file), file=file)
    except Unreadable as error:
        raise _NotChecked(*error.problems) from None
    schema = _schema(request["schema"]) if request["schema"] else None
    try:
        document = parse(content, file=file, format=_format(request), strict=False)
    except Unreadable as error:
        yield from error.problems
        return
    yield from document.problems
    for key in request["required"]:
        yield from _required(document, key)
    if schema is not None:
        yield from _against(document, schema, request["schema"])


def _format(request: Mapping[str, Any]) -> Format:
    if request["format"]:
        return cast("Format", request["format"])
    return format_of(request["file"]) or "yaml"


def _schema(file: str) -> Document:
    """Read a schema, written in JSON or YAML, and check it against its own meta-schema."""
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
        message = f"the draft {draft} of JSON Schema is unknown"
        hint = 'write "$schema": "https://json-schema.org/draft/2020-12/schema"'
        raise _NotChecked(Problem(file=file, message=message, hint=hint, rule="bad-schema"))
    errors = kind(kind.META_SCHEMA).iter_errors(schema)
    paths = dict.fromkeys(tuple(error.absolute_path) for error in errors)
    if paths:
        message = "this is not a valid JSON Schema"
        raise _NotChecked(
            *(document.problem(path, message, "bad-schema", at_key=True) for path in paths)
        )
    return document


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
        message, hint = f"the pattern {error.pattern!r} is not valid: {error.msg}", "fix it"
    except RecursionError:
        message, hint = "the schema refers to itself without end", "fix its $ref"
    raise _NotChecked(Problem(file=file, message=message, hint=hint, rule="bad-schema"))


def _required(document: Document, key: str) -> Iterator[Problem]:
    """Yield a problem if a part of a dotted key is missing or the key has no value."""
    path: KeyPath = ()
    for part in key.split("."):
        here = lookup(document.data, path)
        step: str | int = int(part) if isinstance(here, list) and part.isdecimal() else part
        known = [str(name) for name in here] if isinstance(here, dict) else []
        missing = object()
        if lookup(document.data, (*path, step), missing) is missing:
            message = f"the required key '{key}' is missing"
            hint = did_you_mean(part, known)
            problem = document.problem(path, message, "missing-key", hint=hint, at_key=True)
            yield replace(problem, where=key)
            return
        path = (*path, step)
    if lookup(document.data, path) is None:
        message = f"the required key '{key}' has no value"
        problem = document.problem(path, message, "missing-key", at_key=True)
        yield replace(problem, where=key)


if __name__ == "__main__":
    main()
