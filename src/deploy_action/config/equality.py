"""When two values are the same value in JSON: 1 and 1.0 are, 1 and true are not."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["duplicates", "fingerprint"]


def fingerprint(value: object) -> str:
    """Return a text that two values share exactly when JSON Schema calls them equal."""
    return json.dumps(_normal(value), sort_keys=True)


def duplicates(items: list[Any]) -> list[int]:
    """Return the indexes of items that were given before, in linear time."""
    seen: set[str] = set()
    again: list[int] = []
    for index, item in enumerate(items):
        text = fingerprint(item)
        if text in seen:
            again.append(index)
        seen.add(text)
    return again


def _normal(value: object) -> object:
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
