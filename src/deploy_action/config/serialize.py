"""A resolved environment as plain data, as the ledger stores it, and back."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from deploy_action.config.model import (
    CommandSmoke,
    Environment,
    HttpSmoke,
    ImageSmoke,
    PostmanSmoke,
    TcpSmoke,
)
from deploy_action.gates.registry import GATES

__all__ = ["decode_as", "deserialize", "field_types", "serialize"]

T = TypeVar("T")

# Where a field may hold one of several dataclasses, this key says which.
_KIND = "is"
_KINDS: Mapping[str, type[Any]] = {
    "http": HttpSmoke,
    "tcp": TcpSmoke,
    "command": CommandSmoke,
    "postman": PostmanSmoke,
    "image": ImageSmoke,
}


def serialize(environment: Environment) -> dict[str, object]:
    """Return an environment as dictionaries, lists, text, numbers and booleans.

    What is empty, false or None by default and still is, is left out: a later version that
    adds an option does not change the id of the releases that do not use it. Every other
    default is written down, so that a release is restored as it was even when a later
    version has another default.
    """
    plain = _encode(environment)
    return cast("dict[str, object]", plain)


def deserialize(mapping: Mapping[str, object]) -> Environment:
    """Return the environment that `serialize` made into `mapping`.

    Keys of newer versions are ignored.

    Raises:
        ValueError: a field is missing or has another type than it ever had.
    """
    try:
        environment = cast("Environment", _decode(Environment, mapping))
        stored = _expect(dict, mapping.get("gates", {}))
        gates = {
            gate.key: _decode(gate.options, stored[gate.key])
            for gate in GATES
            if gate.key in stored
        }
        return dataclasses.replace(environment, gates=gates)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"this is no stored configuration: {error}") from error


def decode_as(kind: type[T], mapping: Mapping[str, object]) -> T:
    """Return a dataclass from plain data; unknown keys are ignored.

    Raises:
        TypeError, ValueError: a field is missing or has another type.
    """
    return cast("T", _decode(kind, mapping))


def _encode(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain: dict[str, object] = {}
        for name, kind in _KINDS.items():
            if isinstance(value, kind):
                plain[_KIND] = name
        for item in dataclasses.fields(value):
            content = getattr(value, item.name)
            if content or not _is_default(item, content):
                plain[item.name] = _encode(content)
        return plain
    if isinstance(value, Mapping):
        return {str(key): _encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_encode(item) for item in value]
    return value


def _is_default(item: dataclasses.Field[Any], content: object) -> bool:
    if item.default is not dataclasses.MISSING:
        return bool(content == item.default)
    if item.default_factory is not dataclasses.MISSING:
        return bool(content == item.default_factory())
    return False


def _decode(kind: Any, value: Any) -> object:
    if kind is object:
        return value
    origin, arguments = get_origin(kind), get_args(kind)
    if value is None and NoneType in arguments:
        return None
    if origin in (Union, UnionType):
        return _decode_union([item for item in arguments if item is not NoneType], value)
    if origin is tuple:
        return tuple(_decode(arguments[0], item) for item in _expect(list, value))
    if origin is not None and issubclass(_class(origin), Mapping):
        return {key: _decode(arguments[1], item) for key, item in _expect(dict, value).items()}
    if dataclasses.is_dataclass(kind):
        fields = field_types(cast("Any", kind))
        content = _expect(dict, value).items()
        return cast("Any", kind)(
            **{name: _decode(fields[name], item) for name, item in content if name in fields}
        )
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"{value!r} where one of {arguments} was stored")
        return value
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is float:
        return float(_expect((int, float), value))
    return _expect(kind, value)


@functools.cache
def field_types(kind: Any) -> Mapping[str, Any]:
    """Return the types of a dataclass's fields by their names."""
    hints = get_type_hints(kind)
    return {item.name: hints[item.name] for item in dataclasses.fields(kind)}


def _decode_union(members: list[Any], value: Any) -> object:
    if len(members) == 1:
        return _decode(members[0], value)
    return _decode(_KINDS[value[_KIND]], value)


def _class(origin: Any) -> type[Any]:
    return origin if isinstance(origin, type) else type(None)


def _expect(kind: type[Any] | tuple[type[Any], ...], value: Any) -> Any:
    # True is no number, though Python has it so.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{type(value).__name__} where {kind} was stored")
    return value
