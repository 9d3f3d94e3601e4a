"""Words for values that are outside what a JSON Schema allows for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from deploy_action.config.diagnostic import TYPES, Diagnostic, ViolationContext
from deploy_action.config.equality import duplicates
from deploy_action.config.hints import did_you_mean, right_form
from deploy_action.config.secret_detection import HIDDEN, shown

__all__ = ["bound", "const", "enum", "length", "pattern", "unique"]


def enum(case: ViolationContext) -> Iterator[Diagnostic]:
    """The value is none of those that are allowed."""
    options = ", ".join(str(option) for option in case.limit)
    hint = did_you_mean(case.value, case.limit) if case.wording == "values" else ""
    yield Diagnostic(
        message=f"{case.show(case.value)} is not one of {options}", rule="not-allowed", hint=hint
    )


def const(case: ViolationContext) -> Iterator[Diagnostic]:
    """The value is not the only one that is allowed."""
    message = f"{case.show(case.value)} is not {shown((), case.limit)}"
    hint = f"write {shown((), case.limit)}"
    yield Diagnostic(message=message, rule="not-allowed", hint=hint)


def pattern(case: ViolationContext) -> Iterator[Diagnostic]:
    """The text has another form."""
    noun = case.schema.get("title", "of the form that the schema asks for")
    hint = case.schema.get("patternErrorMessage", "")
    found = case.show(case.value)
    if found != HIDDEN or noun == "a Docker host":
        hint = right_form(noun, case.value) or hint
    yield Diagnostic(message=f"{found} is not {noun}", rule="bad-form", hint=hint)


def bound(words: str) -> Callable[[ViolationContext], Iterator[Diagnostic]]:
    """The number is too small or too big."""

    def speak(case: ViolationContext) -> Iterator[Diagnostic]:
        message = f"{case.show(case.value)} {words} {case.limit}"
        yield Diagnostic(message=message, rule="out-of-range")

    return speak


def length(words: str, unit: str) -> Callable[[ViolationContext], Iterator[Diagnostic]]:
    """The text, list or map is too short or too long."""

    def speak(case: ViolationContext) -> Iterator[Diagnostic]:
        thing = case.schema.get("title") or TYPES.get(_shape(case.value), "the value")
        thing = thing.removeprefix("a ")
        if case.limit == 1 and words == "less than":
            message = f"this {thing} is empty"
        else:
            message = f"this {thing} has {words} {case.limit} {unit}"
        yield Diagnostic(message=message, rule="out-of-range")

    return speak


def _shape(value: object) -> str:
    return "object" if isinstance(value, dict) else "array" if isinstance(value, list) else "string"


def unique(case: ViolationContext) -> Iterator[Diagnostic]:
    """The list holds something twice."""
    for index in duplicates(case.value):
        yield Diagnostic(
            message=f"{case.show(case.value[index])} is given twice",
            rule="duplicate-item",
            hint="remove one of them",
            key=index,
        )
