"""A document held against a JSON Schema: every violation, at its place, in plain words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deploy_action.config.diagnostic import Wording
from deploy_action.config.document import Document, KeyPath, dotted
from deploy_action.config.equality import duplicates
from deploy_action.config.schema_messages import say
from deploy_action.problem import Problem

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

__all__ = ["Violation", "validator_for", "violations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One problem, and the path of the value without which the rest would be valid."""

    path: KeyPath
    problem: Problem


def validator_for(schema: Mapping[str, Any] | bool) -> Validator:
    """Return a validator of the schema's draft, else of 2020-12, that never fetches anything.

    jsonschema reads remote and file references unless it gets a registry; an empty one
    resolves only what is inside the schema.
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
    """Yield every violation of the schema once, in no certain order."""
    told: set[Problem] = set()
    data: Any = document.data
    for error in validator_for(schema).iter_errors(data):
        for violation in _violations(document, schema, error, wording):
            if violation.problem not in told:
                told.add(violation.problem)
                yield violation


def _violations(
    document: Document, schema: Mapping[str, Any] | bool, error: ValidationError, wording: Wording
) -> Iterator[Violation]:
    path: KeyPath = tuple(error.absolute_path)
    for complaint in say(error, root=schema, written=document.written.get(path), wording=wording):
        here = (*path, complaint.key) if complaint.key is not None else path
        at = document.key_at(here) if complaint.at_key else document.value_at(here)
        problem = Problem(
            file=document.file,
            line=at.line,
            column=at.column,
            where=dotted(here),
            message=complaint.message,
            hint=complaint.hint,
            rule=complaint.rule,
        )
        yield Violation(path=here, problem=problem)


def _pattern(
    validator: Validator, pattern: str, instance: object, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """Search as ECMA-262 does, where ``$`` never matches before a final line feed."""
    from jsonschema.exceptions import ValidationError

    del validator, schema
    end = re.sub(r"(?<!\\)\$$", r"\\Z", pattern)
    if isinstance(instance, str) and not re.search(end, instance):
        yield ValidationError("pattern")


def _unique_items(
    validator: Validator, wanted: bool, instance: object, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """Compare in linear time; jsonschema compares each pair where items cannot be sorted."""
    from jsonschema.exceptions import ValidationError

    del validator, schema
    if wanted and isinstance(instance, list) and duplicates(instance):
        yield ValidationError("uniqueItems")
