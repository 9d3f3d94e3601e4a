"""Violations of a JSON Schema in plain words; jsonschema's own messages would echo values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from deploy_action.config import limits
from deploy_action.config.diagnostic import TYPES, Diagnostic, ViolationContext, Wording
from deploy_action.config.hints import (
    did_you_mean,
    example,
    other_kind_of_test,
    right_type,
)
from deploy_action.config.secret_detection import HIDDEN, shown
from deploy_action.config.suggest import suggest_key

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

__all__ = ["say"]


def say(
    error: ValidationError,
    *,
    root: Mapping[str, Any] | bool,
    written: str | None,
    wording: Wording,
) -> Iterator[Diagnostic]:
    """Yield what is to be told about an error of jsonschema.

    Args:
        root: the whole schema, for suggestions from other levels.
        written: what stands in the file, where YAML reads it as something else.
        wording: whether values of the document may be shown.
    """
    case = ViolationContext(
        path=tuple(error.absolute_path),
        root=root if isinstance(root, Mapping) else {},
        schema=error.schema if isinstance(error.schema, Mapping) else {},
        limit=error.validator_value,
        value=error.instance,
        written=written,
        wording=wording,
    )
    if _is_about_a_key(error):
        yield _bad_key(case)
        return
    yield from _SPEAKERS.get(str(error.validator), _unknown_keyword)(case)


def _is_about_a_key(error: ValidationError) -> bool:
    steps = list(error.absolute_schema_path)
    return any(
        step == "propertyNames" and steps[index - 1 : index] not in (["properties"], ["$defs"])
        for index, step in enumerate(steps)
    )


def _bad_key(case: ViolationContext) -> Diagnostic:
    noun = case.schema.get("title", "a key that may stand here")
    hint = case.schema.get("patternErrorMessage", "")
    if isinstance(case.limit, list):
        hint = did_you_mean(str(case.value), case.limit)
    shown_key = shown((), case.value)
    message = f"{shown_key} is not {noun}"
    return Diagnostic(message=message, rule="bad-key", hint=hint, key=case.value, at_key=True)


def _type(case: ViolationContext) -> Iterator[Diagnostic]:
    expected = [case.limit] if isinstance(case.limit, str) else list(case.limit)
    noun = case.schema.get("title") or " or ".join(TYPES.get(name, name) for name in expected)
    hint = case.schema.get("patternErrorMessage", "")
    if not case.path:
        found = "nothing" if case.value is None else case.show(case.value)
        message = f"expected keys and values, found {found}"
        yield Diagnostic(message=message, rule="wrong-type", hint=_first_keys(case))
        return
    if case.value is None:
        if "string" in expected and "pattern" not in case.schema:
            hint = 'write "" for an empty text'
        message = f"{noun} is missing after the key"
        yield Diagnostic(message=message, rule="wrong-type", hint=hint, at_key=True)
        return
    if case.written is not None and "string" in expected and case.wording == "values":
        message = f"YAML reads {case.written} as {case.show(case.value)}, not as a text"
        quoted = f'put it in quotes: "{case.written}"'
        yield Diagnostic(message=message, rule="wrong-type", hint=quoted)
        return
    found = case.show(case.value)
    if not isinstance(case.value, dict | list):
        kind = TYPES[_type_name(case.value)]
        hide_it = case.wording == "no values"
        found = kind if hide_it else f"{kind}: {found}"
    if HIDDEN not in found and case.wording == "values":
        known = {"schema": case.schema, "root": case.root}
        hint = right_type(case.value, expected, written=case.written, **known) or hint
    yield Diagnostic(message=f"expected {noun}, found {found}", rule="wrong-type", hint=hint)


def _first_keys(case: ViolationContext) -> str:
    required = case.schema.get("required", ())
    return f"begin with {', '.join(f'{key}:' for key in required)}" if required else ""


def _type_name(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "number" if isinstance(value, float) else "string"


def _required(case: ViolationContext) -> Iterator[Diagnostic]:
    # jsonschema reports each missing key with the whole list: told once for every key.
    for key in case.limit:
        if key not in case.value:
            known = case.schema.get("properties", {}).get(key, {})
            likely = example(case.root, known)
            hint = f"for example {key}: {likely}" if likely else ""
            yield Diagnostic(
                message=_missing(case, key), rule="missing-key", hint=hint, at_key=True
            )


def _missing(case: ViolationContext, key: str) -> str:
    if case.path[-2:-1] == ("smoke",) and key == "path":
        return "a smoke test needs one of 'path', 'tcp' or 'command'"
    return f"the key '{key}' is missing"


def _unknown_keys(case: ViolationContext) -> Iterator[Diagnostic]:
    known = case.schema.get("properties", {})
    patterns = case.schema.get("patternProperties", {})
    for key in case.value:
        if key in known or any(re.search(pattern, key) for pattern in patterns):
            continue
        hint = other_kind_of_test(case.root, key) if case.path[-2:-1] == ("smoke",) else ""
        hint = hint or suggest_key(key, siblings=known, schema=case.root)
        if not hint and known and len(known) <= 10:
            hint = f"known here: {', '.join(known)}"
        yield Diagnostic(
            message=f"unknown key {shown((), key)}",
            rule="unknown-key",
            hint=hint,
            key=key,
            at_key=True,
        )


def _one_of(case: ViolationContext) -> Iterator[Diagnostic]:
    names = [name for branch in case.limit for name in branch.get("required", ["?"])]
    if "?" in names or not isinstance(case.value, dict):
        yield from _unknown_keyword(case)
        return
    given = [name for name in names if name in case.value]
    message = f"give exactly one of {', '.join(names)}"
    if given:
        message += f", not {' and '.join(given)} together"
    yield Diagnostic(message=message, rule="exactly-one", at_key=True)


def _forbidden(case: ViolationContext) -> Iterator[Diagnostic]:
    del case
    yield Diagnostic(message="this is not allowed here", rule="schema", at_key=True)


def _unknown_keyword(case: ViolationContext) -> Iterator[Diagnostic]:
    noun = case.schema.get("title") or case.schema.get("description")
    words = f": {noun}" if isinstance(noun, str) else ""
    message = f"{case.show(case.value)} is not what the schema asks for here{words}"
    yield Diagnostic(message=message, rule="schema")


_SPEAKERS: Mapping[str, Callable[[ViolationContext], Iterator[Diagnostic]]] = {
    "type": _type,
    "required": _required,
    "additionalProperties": _unknown_keys,
    "enum": limits.enum,
    "const": limits.const,
    "pattern": limits.pattern,
    "minimum": limits.bound("is less than"),
    "maximum": limits.bound("is more than"),
    "exclusiveMinimum": limits.bound("is not more than"),
    "exclusiveMaximum": limits.bound("is not less than"),
    "multipleOf": limits.bound("is not a multiple of"),
    "minLength": limits.length("less than", "characters"),
    "maxLength": limits.length("more than", "characters"),
    "minItems": limits.length("less than", "items"),
    "maxItems": limits.length("more than", "items"),
    "minProperties": limits.length("less than", "keys"),
    "maxProperties": limits.length("more than", "keys"),
    "uniqueItems": limits.unique,
    "oneOf": _one_of,
    "None": _forbidden,
}
