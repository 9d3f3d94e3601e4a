"""What somebody who wrote an unknown word may have meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from deploy_action.config.document import KeyPath, dotted

__all__ = ["closest", "follow", "suggest_key"]

_CUTOFF = 0.6
_NEAR_CERTAIN = 0.8

# Words of other tools for the same thing.
_SYNONYMS = {
    "name": "service",
    "app": "service",
    "tag": "version",
    "ports": "port",
    "healthcheck": "health",
    "environment": "env",
    "variables": "env",
    "tests": "smoke",
    "depends_on": "after",
    "needs": "after",
    "scale": "replicas",
    "servers": "hosts",
    "domain": "url",
    "keep": "retain",
    "cmd": "command",
    "signals": "signal",
    "method": "kind",
}


def closest(word: str, options: Iterable[str], *, cutoff: float = _CUTOFF) -> str:
    """Return the option that is most like `word`, or nothing where none is like it."""
    from difflib import get_close_matches

    by_shape = {_shape(option): option for option in options}
    found = get_close_matches(_shape(word), by_shape, n=1, cutoff=cutoff)
    return by_shape[found[0]] if found else ""


def suggest_key(key: str, *, siblings: Iterable[str], schema: Mapping[str, Any]) -> str:
    """Return a hint for an unknown key, or nothing.

    Args:
        siblings: the keys that its map may have.
        schema: the whole schema, in which the key may stand at another level.
    """
    known = set(siblings)
    certain = closest(key, known, cutoff=_NEAR_CERTAIN)
    if certain:
        return f"did you mean '{certain}'?"
    elsewhere = sorted(set(_places(schema, key)), key=lambda path: (len(path), path))
    if elsewhere:
        return _where_it_belongs(key, elsewhere)
    likely = _SYNONYMS.get(key.lower(), "")
    if likely not in known:
        likely = closest(key, known)
    return f"did you mean '{likely}'?" if likely else ""


def follow(root: Mapping[str, Any], schema: object) -> Mapping[str, Any]:
    """Return what a ``$ref`` inside the same file leads to, or the schema itself."""
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


def _shape(word: str) -> str:
    return word.lower().replace("-", "_")


def _where_it_belongs(key: str, places: list[KeyPath]) -> str:
    shown = [dotted(place[:-1]) or "the top level" for place in places[:3]]
    return f"'{key}' belongs to {' or '.join(shown)}"


def _places(schema: Mapping[str, Any], key: str) -> Iterator[KeyPath]:
    """Return where the schema knows a key, each map once however many lead there."""
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
