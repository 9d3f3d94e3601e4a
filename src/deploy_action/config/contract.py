"""The schema of deploy.yaml, and the quick word on what satisfies it; what is wrong is not told here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

__all__ = ["deploy_schema", "satisfied_by"]

_NAME = "deploy.schema.json"
_PACKAGE = Path(__file__).resolve().parents[1]


@cache
def deploy_schema() -> Mapping[str, Any]:
    """Return the schema of deploy.yaml: from the installed package, else from the source tree."""
    folders = (_PACKAGE / "schemas", _PACKAGE.parents[1] / "schemas")
    file = next(folder / _NAME for folder in folders if (folder / _NAME).is_file())
    schema: Mapping[str, Any] = json.loads(file.read_text("utf-8"))
    return schema


def satisfied_by(data: object) -> bool:
    """Tell whether the schema of deploy.yaml is surely satisfied; nothing is ever fetched.

    jsonschema-rs looks, in a fifth of the time that jsonschema needs. Whoever hears no asks
    jsonschema (`config/schema.py`), whose word counts.

    Args:
        data: dictionaries with string keys, lists, strings, numbers, booleans and None.

    Returns:
        False also where jsonschema-rs cannot read the data, such as a lone surrogate.
    """
    try:
        return _judge().is_valid(data)
    except Exception:  # noqa: BLE001 - whatever it fails at, jsonschema looks at it
        return False


@cache
def _judge() -> Draft202012Validator:
    from jsonschema_rs import Draft202012Validator, RegexOptions

    # Expressions without backtracking: no text takes more than linear time.
    return Draft202012Validator(dict(deploy_schema()), offline=True, pattern_options=RegexOptions())
