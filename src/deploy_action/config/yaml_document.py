"""Reads YAML with positions; hostile files are refused by their events, before they are composed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from deploy_action.config.document import (
    MAX_DEPTH,
    MAX_NODES,
    Document,
    KeyPath,
    Position,
    Unreadable,
    dotted,
)
from deploy_action.config.yaml_syntax import syntax_problem
from deploy_action.problem import Problem

__all__ = ["parse_yaml"]

# libyaml where PyYAML was built with it: some twenty times faster, and its composer does not
# recurse in Python.
_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_CORE = "tag:yaml.org,2002:"
_KNOWN_TAGS = {_CORE + name for name in ("str", "int", "float", "bool", "null", "map", "seq")}
# PyYAML needs quadratic time for a number to the base of 60 (1:1:1:…).
_LONGEST_NUMBER = 100


@dataclass(slots=True)
class _Walk:
    """The results of one walk over the nodes."""

    file: str
    strict: bool
    constructor: Any = field(default_factory=yaml.constructor.SafeConstructor)
    keys: dict[KeyPath, Position] = field(default_factory=dict)
    values: dict[KeyPath, Position] = field(default_factory=dict)
    written: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    open_nodes: set[int] = field(default_factory=set)
    count: int = 0


def parse_yaml(text: str, *, file: str, strict: bool) -> Document:
    """Read YAML text into a document.

    Raises:
        Unreadable: not one well-formed document within the limits; with `strict` also when
            it has anchors or aliases.
    """
    try:
        events = yaml.parse(text, Loader=_LOADER)
        problems = tuple(_check_events(events, file=file, strict=strict))
        if problems:
            raise Unreadable(*problems)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise Unreadable(syntax_problem(error, text, file)) from None
    if root is None:
        raise Unreadable.because(file, "empty-file", "the file is empty", at=Position(1))
    walk = _Walk(file=file, strict=strict)
    walk.values[()] = _start(root)
    data = _value(walk, root, ())
    return Document(
        file=file,
        data=data,
        keys=walk.keys,
        values=walk.values,
        written=walk.written,
        problems=tuple(walk.problems),
    )


def _start(node: Any) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


def _problem(
    file: str, node: Any, message: str, rule: str, *, where: str = "", hint: str = ""
) -> Problem:
    at = _start(node)
    return Problem(
        file=file,
        line=at.line,
        column=at.column,
        where=where,
        message=message,
        hint=hint,
        rule=rule,
    )


def _check_events(events: Iterable[Any], *, file: str, strict: bool) -> Iterator[Problem]:
    """Stop at the first event past a limit; composing would already have recursed."""
    depth = count = documents = 0
    reported: set[tuple[bool, str]] = set()
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                message = "a second document begins here; only one is read"
                raise Unreadable(_problem(file, event, message, "many-documents"))
        if not isinstance(event, yaml.NodeEvent):
            depth -= isinstance(event, yaml.CollectionEndEvent)
            continue
        count += 1
        depth += isinstance(event, yaml.CollectionStartEvent)
        if depth > MAX_DEPTH:
            message = f"nested deeper than {MAX_DEPTH} levels"
            raise Unreadable(_problem(file, event, message, "too-deep"))
        if count > MAX_NODES:
            message = f"more than {MAX_NODES} values"
            raise Unreadable(_problem(file, event, message, "too-many-values"))
        yield from _check_event(event, file=file, strict=strict, reported=reported)


def _check_event(
    event: Any, *, file: str, strict: bool, reported: set[tuple[bool, str]]
) -> Iterator[Problem]:
    """Yield the problems of one node; an anchor and its aliases are reported once each."""
    is_alias = isinstance(event, yaml.AliasEvent)
    if strict and event.anchor and (is_alias, event.anchor) not in reported:
        reported.add((is_alias, event.anchor))
        sign = "*" if is_alias else "&"
        yield _problem(
            file,
            event,
            f"anchors and aliases ({sign}{event.anchor}) are not supported",
            "alias",
            hint="write it out; settings that all environments share go to the top level",
        )
    tag = getattr(event, "tag", None)
    if tag is not None and tag not in _KNOWN_TAGS:
        shown = "!!" + tag.removeprefix(_CORE) if tag.startswith(_CORE) else tag
        yield _problem(
            file, event, f"the tag {shown} is not supported", "tag", hint="remove the tag"
        )


def _value(walk: _Walk, node: Any, path: KeyPath) -> object:
    walk.count += 1
    if walk.count > MAX_NODES:
        message = f"more than {MAX_NODES} values once its aliases are followed"
        raise Unreadable(_problem(walk.file, node, message, "too-many-values"))
    if id(node) in walk.open_nodes:
        message = "an alias that contains itself"
        raise Unreadable(_problem(walk.file, node, message, "recursive-alias"))
    if isinstance(node, yaml.ScalarNode):
        return _scalar(walk, node, path)
    walk.open_nodes.add(id(node))
    value: object
    if isinstance(node, yaml.SequenceNode):
        value = [_item(walk, item, (*path, index)) for index, item in enumerate(node.value)]
    else:
        value = _mapping(walk, node, path)
    walk.open_nodes.remove(id(node))
    return value


def _item(walk: _Walk, node: Any, path: KeyPath) -> object:
    walk.keys[path] = walk.values[path] = _start(node)
    return _value(walk, node, path)


def _mapping(walk: _Walk, node: Any, path: KeyPath) -> dict[str, object]:
    _check_keys(walk, node, path)
    if not walk.strict:
        _flatten(walk, node)
    data: dict[str, object] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or (walk.strict and key.tag != _CORE + "str"):
            continue
        here = (*path, key.value)
        walk.keys[here] = _start(key)
        walk.values[here] = _start(value)
        data[key.value] = _value(walk, value, here)
    return data


def _check_keys(walk: _Walk, node: Any, path: KeyPath) -> None:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        where = dotted(path)
        if not isinstance(key, yaml.ScalarNode):
            message = "a key must be text, not a list or a map"
            walk.problems.append(_problem(walk.file, key, message, "key-not-text", where=where))
        elif key.tag == _CORE + "merge":
            if walk.strict:
                message = "merge keys (<<) are not supported"
                walk.problems.append(_problem(walk.file, key, message, "alias", where=where))
        elif key.tag != _CORE + "str" and walk.strict:
            message = f"YAML does not read the key {key.value} as text"
            hint = f'put it in quotes: "{key.value}"'
            walk.problems.append(
                _problem(walk.file, key, message, "key-not-text", where=where, hint=hint)
            )
        if isinstance(key, yaml.ScalarNode) and key.tag != _CORE + "merge":
            if key.value in seen:
                message = f"the key '{key.value}' is already given in line {seen[key.value]}"
                where = dotted((*path, key.value))
                walk.problems.append(
                    _problem(
                        walk.file,
                        key,
                        message,
                        "duplicate-key",
                        where=where,
                        hint="remove one of them; YAML would silently take the last",
                    )
                )
            seen.setdefault(key.value, _start(key).line)


def _flatten(walk: _Walk, node: Any) -> None:
    """Replace merge keys by the keys of their maps, with PyYAML's own code."""
    try:
        walk.constructor.flatten_mapping(node)
    except yaml.constructor.ConstructorError as error:
        message = f"a merge key must name a map: {error.problem}"
        raise Unreadable(_problem(walk.file, node, message, "alias")) from None
    except RecursionError:
        message = "a merge that contains itself"
        raise Unreadable(_problem(walk.file, node, message, "recursive-alias")) from None


def _scalar(walk: _Walk, node: Any, path: KeyPath) -> object:
    name = node.tag.removeprefix(_CORE)
    # A date stays the text it was written as: no field here is a date, and JSON has none.
    if name not in ("int", "float", "bool", "null"):
        return node.value
    try:
        if len(node.value) > _LONGEST_NUMBER:
            raise ValueError
        value: object = walk.constructor.construct_object(node)
        canonical = str(value).lower() if name == "bool" else str(value)
    except (ValueError, OverflowError, KeyError, yaml.YAMLError):
        message = f"YAML takes this for {name}, but it has no such value"
        walk.problems.append(_problem(walk.file, node, message, "bad-scalar", where=dotted(path)))
        return node.value
    if not node.style and name != "null" and canonical != node.value:
        walk.written[path] = node.value
    return value
