"""Remedies for violations of the schema: the key or the value that was probably meant."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from deploy_action.config.document import KeyPath, dotted
from deploy_action.config.foreign_keys import FOREIGN_KEYS
from deploy_action.config.hosts import parse_host
from deploy_action.config.secret_detection import shown
from deploy_action.suggest import closest

__all__ = ["example", "follow", "other_kind_of_test", "right_form", "right_type", "suggest_key"]

_NEAR_CERTAIN = 0.8
_PATHS = ("a volume", "the name of a volume or an absolute path")
# What other tools call the same thing.
_SYNONYMS = {
    "name": "service", "app": "service", "tag": "version", "ports": "port",
    "healthcheck": "health", "environment": "env", "variables": "env", "tests": "smoke",
    "needs": "after", "scale": "replicas", "servers": "hosts",
    "domain": "url", "keep": "retain", "cmd": "command", "signals": "signal", "method": "kind",
}  # fmt: skip


def follow(root: Mapping[str, Any], schema: object) -> Mapping[str, Any]:
    """Return the target of a ``$ref`` inside the same file, or the schema itself."""
    if not isinstance(schema, Mapping):
        return {}
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    target: object = root
    for part in reference.removeprefix("#/").split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        target = target.get(name) if isinstance(target, Mapping) else None
    return target if isinstance(target, Mapping) else {}


def suggest_key(key: str, *, siblings: Iterable[str], schema: Mapping[str, Any]) -> str:
    """Return a hint for an unknown key, or nothing.

    Args:
        siblings: the keys that its map may have.
        schema: the whole schema, which may know the key at another level.
    """
    known = set(siblings)
    # At the level of a service only: below it, the same word may mean something else.
    if "replicas" in known and key.lower() in FOREIGN_KEYS:
        return FOREIGN_KEYS[key.lower()]
    likely = closest(key, known, cutoff=_NEAR_CERTAIN)
    if likely:
        return f"did you mean '{likely}'?"
    elsewhere = sorted(set(_places(schema, key)), key=lambda path: (len(path), path))
    if elsewhere:
        owners = [dotted(place[:-1]) or "the top level" for place in elsewhere[:3]]
        return f"'{key}' belongs to {' or '.join(owners)}"
    likely = _SYNONYMS.get(key.lower(), "")
    if likely not in known:
        likely = closest(key, known)
    return f"did you mean '{likely}'?" if likely else ""


def _places(schema: Mapping[str, Any], key: str) -> Iterator[KeyPath]:
    """Yield the paths at which the schema knows a key, each map once however many lead there."""
    seen: set[int] = set()
    waiting: list[tuple[KeyPath, Mapping[str, Any]]] = [((), schema)]
    while waiting:
        path, here = waiting.pop(0)
        here = follow(schema, here)
        if id(here) in seen:
            continue
        seen.add(id(here))
        for name, child in here.get("properties", {}).items():
            if name == key:
                yield (*path, name)
            waiting.append(((*path, name), child))
        if "additionalProperties" in here:
            waiting.append(((*path, "NAME"), here["additionalProperties"]))
        waiting.extend(
            (path, here[branch]) for branch in ("items", "then", "else") if branch in here
        )


def example(root: Mapping[str, Any], schema: object) -> str:
    """Return the first example of a schema, if it fits on one line."""
    if not isinstance(schema, Mapping):
        return ""
    examples = schema.get("examples") or follow(root, schema).get("examples")
    first = examples[0] if examples else None
    return str(first) if isinstance(first, str | int | float) else ""


def other_kind_of_test(root: Mapping[str, Any], key: str) -> str:
    """Return a hint for a key that belongs to another kind of smoke test."""
    kinds = {
        "httpSmoke": "path",
        "tcpSmoke": "tcp",
        "commandSmoke": "command",
        "postmanSmoke": "postman",
        "imageSmoke": "image",
    }
    definitions = root.get("$defs", {})
    if not kinds.keys() <= definitions.keys():
        return ""
    if key in kinds.values():
        return (
            "a test has one of 'path', 'tcp', 'command', 'postman' and 'image': make it two tests"
        )
    owners = [kinds[name] for name in kinds if key in definitions[name]["properties"]]
    return f"it belongs to tests with '{owners[0]}'" if owners else ""


def right_form(noun: str, value: str) -> str:
    """Return what is wrong with a value that may be shown, or how to write it."""
    if noun == "a name":
        name = re.sub("[^a-z0-9]+", "-", value.lower()).strip("-")
        return f"small letters, digits and dashes; for example {name}" if name else ""
    if noun == "the name of an image" and value != value.lower():
        return f"the repository has small letters only: {value.lower()}"
    if noun in _PATHS and value.startswith((".", "~")):
        return (
            "a relative path is on the machine that runs deploy-action, not on the host: write a "
            "configuration file under 'files: {/path/in/the/container: path/in/the/repository}', "
            "or the absolute path that it has on every host"
        )
    if noun == "a Docker host":
        try:
            parse_host(value)
        except ValueError as error:
            return str(error)
    return ""


def right_type(
    value: object,
    expected: Sequence[str],
    schema: Mapping[str, Any],
    root: Mapping[str, Any],
    written: str | None,
) -> str:
    """Return how to write a value that may be shown, so that it has an expected type."""
    if isinstance(value, str) and "array" in expected:
        items = follow(root, schema.get("items")).get("type") == "string"
        return f"write it as a list: {_as_list(value) if items else f'[{value}]'}"
    if isinstance(value, str) and {"integer", "number"} & set(expected):
        return "remove the quotes" if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value) else ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if schema.get("title") == "a duration":
            return f"add a unit: {value}s, or {value}ms"
        if schema.get("title") == "a size":
            return f"add a unit: {value}m, or {value}g"
        if expected == ["string"]:
            return f'put it in quotes: "{written or value}"'
    return ""


def _as_list(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError:
        words = [command]
    return "[" + ", ".join(shown((), word) for word in words) + "]"
