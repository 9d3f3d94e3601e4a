"""Checks a document against a JSON Schema: every violation at its place, in plain words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy_action.config.diagnostics import ViolationContext, Wording, diagnose, repeated_items
from deploy_action.config.document import Document, KeyPath
from deploy_action.problem import Problem

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

__all__ = ["Violation", "deploy_schema", "validator_for", "violations"]

_NAME = "deploy.schema.json"
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A problem, and the path of the value without which the rest would be valid."""

    path: KeyPath
    problem: Problem


@cache
def deploy_schema() -> Mapping[str, Any]:
    """Return the schema of deploy.yaml: from the installed package, else from the source tree."""
    folders = (_PACKAGE / "schemas", _PACKAGE.parents[1] / "schemas")
    file = next(folder / _NAME for folder in folders if (folder / _NAME).is_file())
    schema: Mapping[str, Any] = json.loads(file.read_text("utf-8"))
    return schema


def validator_for(schema: Mapping[str, Any] | bool) -> Validator:
    """Return a validator of the schema's draft, else of 2020-12, that never fetches anything.

    jsonschema reads remote and file references unless it gets a registry; an empty one
    resolves only references inside the schema.
    """
    # 70 ms, which a command that reads no configuration need not pay.
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry

    extend: Callable[..., type[Validator]] = validators.extend
    kind = validators.validator_for(schema, default=Draft202012Validator)
    registry: Registry[Any] = Registry()
    keywords = {"pattern": _pattern, "uniqueItems": _unique_items}
    return extend(kind, keywords)(schema, registry=registry)


def violations(
    document: Document, schema: Mapping[str, Any] | bool, *, wording: Wording
) -> Iterator[Violation]:
    """Yield every violation of the schema once, in no particular order."""
    seen: set[Problem] = set()
    data: Any = document.data
    for error in validator_for(schema).iter_errors(data):
        path: KeyPath = tuple(error.absolute_path)
        context = ViolationContext(
            keyword=_keyword(error),
            path=path,
            root=schema if isinstance(schema, Mapping) else {},
            schema=error.schema if isinstance(error.schema, Mapping) else {},
            limit=error.validator_value,
            value=error.instance,
            written=document.written.get(path),
            wording=wording,
        )
        for diagnostic in diagnose(context):
            here = path if diagnostic.key is None else (*path, diagnostic.key)
            problem = document.problem(
                here,
                diagnostic.message,
                diagnostic.rule,
                hint=diagnostic.hint,
                at_key=diagnostic.at_key,
            )
            if problem not in seen:
                seen.add(problem)
                yield Violation(path=here, problem=problem)


def _keyword(error: ValidationError) -> str:
    """Return the keyword that is violated; "propertyNames" for every one that is about a key."""
    steps = list(error.absolute_schema_path)
    about_a_key = any(
        step == "propertyNames" and steps[index - 1 : index] not in (["properties"], ["$defs"])
        for index, step in enumerate(steps)
    )
    return "propertyNames" if about_a_key else str(error.validator)


def _pattern(
    validator: Validator,  # noqa: ARG001
    pattern: str,
    instance: object,
    schema: Mapping[str, Any],  # noqa: ARG001
) -> Iterator[ValidationError]:
    """Search as ECMA-262 does, where ``$`` never matches before a final line feed."""
    from jsonschema.exceptions import ValidationError

    end = re.sub(r"(?<!\\)\$$", r"\\Z", pattern)
    if isinstance(instance, str) and not re.search(end, instance):
        yield ValidationError("pattern")


def _unique_items(
    validator: Validator,  # noqa: ARG001
    unique: bool,
    instance: object,
    schema: Mapping[str, Any],  # noqa: ARG001
) -> Iterator[ValidationError]:
    """Compare in linear time; jsonschema compares each pair where items cannot be sorted."""
    from jsonschema.exceptions import ValidationError

    if unique and isinstance(instance, list) and repeated_items(instance):
        yield ValidationError("uniqueItems")
