"""How a value would be right: what follows a violation in the message, after the reason."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from deploy_action.config.hosts import parse_host
from deploy_action.config.secret_detection import shown
from deploy_action.config.suggest import closest, follow

__all__ = ["did_you_mean", "example", "other_kind_of_test", "right_form", "right_type"]


def did_you_mean(value: object, options: Sequence[object]) -> str:
    """Return the option that somebody who wrote `value` may have meant."""
    if not isinstance(value, str):
        return ""
    likely = closest(value, [option for option in options if isinstance(option, str)])
    return f"did you mean '{likely}'?" if likely else ""


def example(root: Mapping[str, Any], schema: object) -> str:
    """Return the first example of a schema, where it fits into one line."""
    if not isinstance(schema, Mapping):
        return ""
    examples = schema.get("examples") or follow(root, schema).get("examples")
    first = examples[0] if examples else None
    return str(first) if isinstance(first, str | int | float) else ""


def other_kind_of_test(root: Mapping[str, Any], key: str) -> str:
    """Return a hint for a key of a smoke test of another kind than the one that is given."""
    kinds = {"httpSmoke": "path", "tcpSmoke": "tcp", "commandSmoke": "command"}
    definitions = root.get("$defs", {})
    if not kinds.keys() <= definitions.keys():
        return ""
    owners = [kinds[name] for name in kinds if key in definitions[name]["properties"]]
    if key in kinds.values():
        return "a test has one of 'path', 'tcp' and 'command': make it two tests"
    return f"it belongs to tests with '{owners[0]}'" if owners else ""


def right_form(noun: str, value: str) -> str:
    """Return what is wrong with this very value, or how it would be right."""
    if noun == "a name":
        name = re.sub("[^a-z0-9]+", "-", value.lower()).strip("-")
        return f"small letters, digits and dashes; for example {name}" if name else ""
    if noun == "the name of an image" and value != value.lower():
        return f"the repository has small letters only: {value.lower()}"
    if noun == "a Docker host":
        try:
            parse_host(value)
        except ValueError as error:
            return str(error)
    return ""


def right_type(
    value: object,
    expected: Sequence[str],
    *,
    schema: Mapping[str, Any],
    root: Mapping[str, Any],
    written: str | None,
) -> str:
    """Return how a value that may be shown would be written to have an expected type."""
    if isinstance(value, str) and "array" in expected:
        items = follow(root, schema.get("items")).get("type") == "string"
        return f"write it as a list: {_as_list(value) if items else f'[{value}]'}"
    if isinstance(value, str) and {"integer", "number"} & set(expected):
        return "remove the quotes" if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value) else ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if schema.get("title") == "a duration":
            return f"add a unit: {value}s, or {value}ms"
        if expected == ["string"]:
            return f'put it in quotes: "{written or value}"'
    return ""


def _as_list(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError:
        words = [command]
    return "[" + ", ".join(shown((), word) for word in words) + "]"
