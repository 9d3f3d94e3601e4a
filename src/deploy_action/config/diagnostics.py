"""Violations of a JSON Schema in plain words; jsonschema's own messages would quote secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from deploy_action.config import hints
from deploy_action.config.document import KeyPath
from deploy_action.config.secret_detection import HIDDEN, shown
from deploy_action.suggest import did_you_mean

__all__ = ["Diagnostic", "ViolationContext", "Wording", "diagnose", "repeated_items"]

Wording = Literal["values", "no values"]
"""Whether messages may show values of the document."""

_TYPES = {
    "object": "a map",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
_BOUNDS = {
    "minimum": "is less than",
    "maximum": "is more than",
    "exclusiveMinimum": "is not more than",
    "exclusiveMaximum": "is not less than",
    "multipleOf": "is not a multiple of",
}
_GUESSES_TITLE = "a map of unconfirmed guesses"
"""The title of `unconfirmed` in the schema of deploy.yaml."""
_SIZES = {"Length": "characters", "Items": "items", "Properties": "keys"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """The words for one violation.

    Attributes:
        key: the key below the violation's path that is wrong; None for the path itself.
        at_key: point at the key rather than at the value.
    """

    message: str
    rule: str
    hint: str = ""
    key: str | int | None = None
    at_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ViolationContext:
    """A violation and what is known about it.

    Attributes:
        keyword: the keyword of JSON Schema that is violated.
        root: the whole schema, for suggestions from other levels.
        schema: the part of it that has the keyword.
        limit: the keyword's value.
        value: the value that violates it.
        written: the value's text in the file, where YAML does not read it as it looks.
    """

    keyword: str
    path: KeyPath
    root: Mapping[str, Any]
    schema: Mapping[str, Any]
    limit: Any
    value: Any
    written: str | None
    wording: Wording

    def show(self, value: object) -> str:
        """Return a value for a message, if values may be shown at all."""
        hide = self.wording == "no values" and not isinstance(value, dict | list | None)
        return HIDDEN if hide else shown(self.path, value)

    @property
    def in_smoke_test(self) -> bool:
        """Whether the value is a smoke test of deploy.yaml."""
        return self.path[-2:-1] == ("smoke",)


def diagnose(context: ViolationContext) -> Iterator[Diagnostic]:
    """Yield the words for a violation: one diagnostic, or one for each key or item."""
    keyword, limit, value = context.keyword, context.limit, context.value
    match keyword:
        case "propertyNames":
            yield _bad_key(context)
        case "type":
            yield _wrong_type(context)
        case "required":
            yield from _missing_keys(context)
        case "additionalProperties" if context.schema.get("title") == _GUESSES_TITLE:
            yield from _guesses(context)
        case "additionalProperties":
            yield from _unknown_keys(context)
        case "enum":
            options = ", ".join(str(option) for option in limit)
            may_quote = context.wording == "values" and isinstance(value, str)
            words = [option for option in limit if isinstance(option, str)]
            yield Diagnostic(
                message=f"{context.show(value)} is not one of {options}",
                rule="not-allowed",
                hint=did_you_mean(value, words) if may_quote else "",
            )
        case "const":
            allowed = shown((), limit)
            message = f"{context.show(value)} is not {allowed}"
            yield Diagnostic(message=message, rule="not-allowed", hint=f"write {allowed}")
        case "pattern":
            yield _bad_form(context)
        case keyword if keyword in _BOUNDS:
            message = f"{context.show(value)} {_BOUNDS[keyword]} {limit}"
            yield Diagnostic(message=message, rule="out-of-range")
        case keyword if keyword[3:] in _SIZES:
            yield _bad_size(context, unit=_SIZES[keyword[3:]])
        case "uniqueItems":
            for index in repeated_items(value):
                yield Diagnostic(
                    message=f"{context.show(value[index])} is given twice",
                    rule="duplicate-item",
                    hint="remove one of them",
                    key=index,
                )
        case "oneOf" if isinstance(value, dict) and all("required" in each for each in limit):
            names = [name for branch in limit for name in branch["required"]]
            given = [name for name in names if name in value]
            message = f"give exactly one of {', '.join(names)}"
            if given:
                message += f", not {' and '.join(given)} together"
            yield Diagnostic(message=message, rule="exactly-one", at_key=True)
        case "None":
            # The schema `false`.
            yield Diagnostic(message="this is not allowed here", rule="schema", at_key=True)
        case _:
            noun = context.schema.get("title") or context.schema.get("description")
            meaning = f": {noun}" if isinstance(noun, str) else ""
            message = f"{context.show(value)} is not what the schema asks for here{meaning}"
            yield Diagnostic(message=message, rule="schema")


def repeated_items(items: list[Any]) -> list[int]:
    """Return the indexes of items that stand earlier in the list too, in linear time.

    Items are equal as in JSON Schema: 1 and 1.0 are, 1 and true are not.
    """
    seen: set[str] = set()
    repeated: list[int] = []
    for index, item in enumerate(items):
        text = json.dumps(_normal(item), sort_keys=True)
        if text in seen:
            repeated.append(index)
        seen.add(text)
    return repeated


def _normal(value: object) -> object:
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _bad_key(context: ViolationContext) -> Diagnostic:
    key, noun = str(context.value), context.schema.get("title", "a key that may stand here")
    hint = context.schema.get("patternErrorMessage", "")
    if isinstance(context.limit, list):
        hint = did_you_mean(key, [option for option in context.limit if isinstance(option, str)])
    message = f"{shown((), key)} is not {noun}"
    return Diagnostic(message=message, rule="bad-key", hint=hint, key=key, at_key=True)


def _wrong_type(context: ViolationContext) -> Diagnostic:
    schema, value, written = context.schema, context.value, context.written
    expected = [context.limit] if isinstance(context.limit, str) else list(context.limit)
    noun = schema.get("title") or " or ".join(_TYPES.get(name, name) for name in expected)
    hint = schema.get("patternErrorMessage", "")
    may_quote = context.wording == "values"
    if not context.path:
        message = f"expected keys and values, found {context.show(value)}"
        required = ", ".join(f"{key}:" for key in schema.get("required", ()))
        hint = f"begin with {required}" if required else ""
        return Diagnostic(message=message, rule="wrong-type", hint=hint)
    if value is None:
        if "string" in expected and "pattern" not in schema:
            hint = 'write "" for an empty text'
        message = f"{noun} is missing after the key"
        return Diagnostic(message=message, rule="wrong-type", hint=hint, at_key=True)
    if written is not None and "string" in expected and may_quote:
        message = f"YAML reads {written} as {context.show(value)}, not as a text"
        return Diagnostic(message=message, rule="wrong-type", hint=f'put it in quotes: "{written}"')
    got = context.show(value)
    if not isinstance(value, dict | list):
        got = f"{_kind(value)}: {got}" if may_quote else _kind(value)
    if HIDDEN not in got and may_quote:
        hint = hints.right_type(value, expected, schema, context.root, written) or hint
    return Diagnostic(message=f"expected {noun}, found {got}", rule="wrong-type", hint=hint)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return _TYPES["boolean"]
    if isinstance(value, int):
        return _TYPES["integer"]
    return _TYPES["number"] if isinstance(value, float) else _TYPES["string"]


def _missing_keys(context: ViolationContext) -> Iterator[Diagnostic]:
    # jsonschema has one error for each missing key, each with the whole list.
    for key in context.limit:
        if key in context.value:
            continue
        message = f"the key '{key}' is missing"
        if context.in_smoke_test and key == "path":
            message = "a smoke test needs one of 'path', 'tcp', 'command', 'postman' or 'image'"
        example = hints.example(context.root, context.schema.get("properties", {}).get(key, {}))
        hint = f"for example {key}: {example}" if example else ""
        yield Diagnostic(message=message, rule="missing-key", hint=hint, at_key=True)


def _unknown_keys(context: ViolationContext) -> Iterator[Diagnostic]:
    known = context.schema.get("properties", {})
    patterns = context.schema.get("patternProperties", {})
    for key in context.value:
        if key in known or any(re.search(pattern, key) for pattern in patterns):
            continue
        hint = hints.other_kind_of_test(context.root, key) if context.in_smoke_test else ""
        hint = hint or hints.suggest_key(key, siblings=known, schema=context.root)
        if not hint and known and len(known) <= 10:
            hint = f"known here: {', '.join(known)}"
        message = f"unknown key {shown((), key)}"
        yield Diagnostic(message=message, rule="unknown-key", hint=hint, key=key, at_key=True)


def _guesses(context: ViolationContext) -> Iterator[Diagnostic]:
    for key, reason in context.value.items():
        yield Diagnostic(
            message=f"'{key}' is a guess of init: {context.show(reason)}",
            rule="unconfirmed",
            hint=f"check the value of '{key}', then remove this line",
            key=key,
            at_key=True,
        )


def _bad_form(context: ViolationContext) -> Diagnostic:
    noun = context.schema.get("title", "of the form that the schema asks for")
    hint = context.schema.get("patternErrorMessage", "")
    got = context.show(context.value)
    if got != HIDDEN or noun == "a Docker host":
        hint = hints.right_form(noun, context.value) or hint
    return Diagnostic(message=f"{got} is not {noun}", rule="bad-form", hint=hint)


def _bad_size(context: ViolationContext, *, unit: str) -> Diagnostic:
    value = context.value
    kind = "map" if isinstance(value, dict) else "list" if isinstance(value, list) else "text"
    noun = str(context.schema.get("title") or kind).removeprefix("a ")
    if context.keyword.startswith("min") and context.limit == 1:
        message = f"this {noun} is empty"
    else:
        words = "less than" if context.keyword.startswith("min") else "more than"
        message = f"this {noun} has {words} {context.limit} {unit}"
    return Diagnostic(message=message, rule="out-of-range")
