"""What an environment overrides: maps are merged, everything else is replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deploy_action.config.document import Document, KeyPath

__all__ = ["Section", "lookup", "merge", "shared_settings", "source_of"]

Section = Mapping[str, Any]

_NOT_SHARED = ("version", "environments")

# Ways to say one thing: the one that an environment gives replaces the one that it inherits.
_ALTERNATIVES: Mapping[KeyPath, tuple[str, ...]] = {
    ("health",): ("kind", "path", "command"),
    ("health", "identity"): ("header", "json"),
    ("route", "certificate"): ("file", "secret"),
}


def shared_settings(top: Section) -> Section:
    """Return what the top level gives to every environment."""
    return {key: value for key, value in top.items() if key not in _NOT_SHARED}


def merge(base: Section, override: Section, at: KeyPath = ()) -> Section:
    """Return `base` with `override` laid over it.

    Args:
        at: where both stand, for the keys that exclude each other.
    """
    alternatives = _ALTERNATIVES.get(at, ())
    replaced = alternatives if any(key in override for key in alternatives) else ()
    merged = {key: value for key, value in base.items() if key not in replaced}
    for key, value in override.items():
        inherited = merged.get(key)
        if (*at, key) == ("build",) and isinstance(inherited, str):
            inherited = {"context": inherited}
        if isinstance(value, Mapping) and isinstance(inherited, Mapping):
            merged[key] = merge(inherited, value, (*at, key))
        else:
            merged[key] = value
    return merged


def lookup(data: object, path: KeyPath, default: object = None) -> object:
    """Return what is at `path`, or `default` where the path leads nowhere."""
    for part in path:
        if isinstance(data, list):
            data = dict(enumerate(data))
        if not isinstance(data, Mapping) or part not in data:
            return default
        data = data[part]
    return data


def source_of(document: Document, environment: str, path: KeyPath) -> KeyPath:
    """Return where in the file the setting at `path` of a merged environment was written.

    A setting that was not written anywhere is looked for at the environment itself, so that
    a message about something missing points there.
    """
    root: KeyPath = ("environments", environment)
    for length in range(1, len(path) + 1):
        here = (*root, *path[:length])
        if here not in document.keys:
            return path if path in document.keys else _nearest(document, root, path)
        if not isinstance(lookup(document.data, here), Mapping):
            break
    return (*root, *path)


def _nearest(document: Document, root: KeyPath, path: KeyPath) -> KeyPath:
    for length in range(len(path) - 1, 0, -1):
        for candidate in ((*root, *path[:length]), path[:length]):
            if candidate in document.keys:
                return candidate
    return root if root in document.keys else ()
