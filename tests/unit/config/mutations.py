"""Random damage to valid configurations, the same on every run."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from deploy_action.config.document import parse

CORPUS = Path(__file__).parents[2] / "corpus"

_VALUES: tuple[object, ...] = (
    *(None, True, False, 0, 1, 1.0, -1, 80, 99, 100, 0.5, 1e9, 70000, "", " ", "a", "A", "1"),
    *("1s", "0s", "50ms", "1.5h", "1m1s\n", "512m", "latest", "shop:latest", "shop\n", "/", "/a b"),
    *(
        "local",
        "ssh://a",
        "ssh://-a",
        "ssh://[::1]:70000",
        "tcp://h:0",
        "ssh://a:99999",
        "unix:///",
    ),
    *(
        "http://a:99999",
        "http://[::zz]/",
        "tcp://a:1",
        "https://a/b",
        "data:/data",
        "data:/data:rx",
    ),
    *(
        "staging",
        "production",
        "nowhere",
        "${X}",
        "${",
        "([",
        "ghp_aaaaaaaaaaaaaaaaaaaaaa",
        "é",
        "\x00",
    ),
    *(
        [],
        {},
        [1],
        ["a", "a"],
        ["a"],
        {"a": 1},
        {"path": "/"},
        {"tcp": {}},
        [[]],
        [{}],
        [{"path": "/"}],
    ),
)


def documents() -> list[dict[str, Any]]:
    """Return the data of every valid file of the corpus."""
    files = sorted((CORPUS / "valid").glob("*.yaml"))
    return [cast("dict[str, Any]", parse(file.read_bytes(), file=file.name).data) for file in files]


def mutations(count: int, *, seed: int) -> Iterator[dict[str, Any]]:
    """Yield `count` documents, each a valid one with one to four random changes."""
    source = random.Random(seed)
    originals = documents()
    keys = sorted({str(key) for document in originals for key in _keys(document)})
    for _ in range(count):
        document = copy.deepcopy(source.choice(originals))
        for _ in range(source.randint(1, 4)):
            _damage(document, source, keys)
        yield document


def _keys(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value
    for item in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from _keys(item)


def _places(value: object) -> Iterator[tuple[Any, Any]]:
    """Yield every container of the document with each of its keys or indexes."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, item in items:
        yield value, key
        yield from _places(item)


def _damage(document: dict[str, Any], source: random.Random, keys: list[str]) -> None:
    places = list(_places(document))
    if not places:
        return
    holder, key = source.choice(places)
    change = source.choice(("replace", "replace", "remove", "rename", "add", "move", "repeat"))
    if change == "remove":
        del holder[key]
    elif change == "rename" and isinstance(holder, dict):
        holder[source.choice(keys)] = holder.pop(key)
    elif change == "add" and isinstance(holder, dict):
        holder[source.choice(keys)] = copy.deepcopy(source.choice(_VALUES))
    elif change == "move":
        other, place = source.choice(places)
        holder[key] = copy.deepcopy(other[place])
    elif change == "repeat" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    else:
        holder[key] = copy.deepcopy(source.choice(_VALUES))
