"""Lays the settings of an environment over the shared ones: maps are merged, the rest replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deploy_action.config.document import Document, KeyPath

__all__ = ["Section", "lookup", "merge", "shared_settings", "source_of"]

Section = Mapping[str, Any]

_NOT_SHARED = ("version", "unconfirmed", "environments")

# Keys that exclude each other: one that an environment has replaces an inherited other one.
_ALTERNATIVES: Mapping[KeyPath, tuple[str, ...]] = {
    ("health",): ("kind", "path", "command"),
    ("health", "identity"): ("header", "json"),
    ("route", "certificate"): ("file", "secret"),
}


def shared_settings(top: Section) -> Section:
    """Return the settings of the top level that every environment inherits."""
    return {key: value for key, value in top.items() if key not in _NOT_SHARED}


def merge(base: Section, override: Section, at: KeyPath = ()) -> Section:
    """Return `base` with `override` laid over it.

    Args:
        at: the path of both, for the keys that exclude each other.
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
    """Return the value at `path`, or `default` if there is none."""
    for part in path:
        if isinstance(data, list):
            data = dict(enumerate(data))
        if not isinstance(data, Mapping) or part not in data:
            return default
        data = data[part]
    return data


def source_of(document: Document, environment: str, path: KeyPath) -> KeyPath:
    """Return the path in the file of a setting of a merged environment.

    For a setting that is not in the file, it is the nearest map above it, at last the environment
    itself, so that a message about a missing key points there.
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
