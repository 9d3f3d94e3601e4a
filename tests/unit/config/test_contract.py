"""The quick judge of deploy.yaml accepts nothing that jsonschema refuses."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from tests.unit.config.mutations import CORPUS, documents, mutations

from deploy_action.config.contract import deploy_schema, satisfied_by
from deploy_action.config.document import Unreadable, parse
from deploy_action.config.schema import validator_for

SCHEMA = dict(deploy_schema())
SLOW = validator_for(SCHEMA)
EXAMPLES = Path(__file__).parents[3] / "examples"

HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 1.0, -0.0, 0.5, 1.5, 65536, 65535.0, 2**31, 2**53 + 1, 2**64),
    *(10**400, 1e308, 5e-324, float("nan"), float("inf"), float("-inf")),
    *("", " ", "\n", "a", "A", "1", "1.0", "1s", "1m", "true", "/", "/\n", "/\r", "x" * 5000),
    *("\x00", "\x7f", "\x85", "\u2028", "\ufeff", "\ud800", "é", "٣", "٣s", "K", "a\u0301"),
    *([], {}, [None], [[]], [{}], ["a", "a"], ["a", "a\n"], [1, 1], [1, True], [0, False]),
    *(
        [1, 1.0],
        [0.0, -0.0],
        [[1], [True]],
        [{"a": 1}, {"a": 1.0}],
        {"a": "b"},
        {"": ""},
        {"\n": 1},
    ),
)


def strings(value: str) -> Iterator[str]:
    """Yield what an expression has to refuse where it accepts `value`, if it is a strict one."""
    for end in ("\n", "\r", "\r\n", "\x00", "\x85", "\u2028", " ", "\t", "é", "٣"):
        yield value + end
        yield end + value
        yield value[: len(value) // 2] + end + value[len(value) // 2 :]
    # Digits and letters of other scripts; the long s and the sign of Kelvin have ASCII's other case.
    yield value.translate({ord("0") + n: 0x0660 + n for n in range(10)})
    yield value.translate({ord("0") + n: 0xFF10 + n for n in range(10)})
    yield value.translate({ord("s"): "ſ", ord("S"): "ſ", ord("k"): "\u212a", ord("K"): "\u212a"})  # noqa: RUF001
    yield from (value.upper(), value.lower(), value * 2, value * 200, value[:-1], value[1:])


def changed(value: Any) -> Iterator[Any]:
    """Yield changes of this value itself, of its own kind and of others."""
    match value:
        case bool():
            yield from (int(value), float(value), str(value))
        case int() | float():
            yield from (float(value), value + 0.5, value + 1, -value, value * 1000, str(value))
            yield from (value + 1e-12, value * (1 + 2**-52))
        case str():
            yield from strings(value)
            yield [value]
        case list():
            yield from (value * 2, value[:-1], [*value, None], [*value, value], as_object(value))
            for item in value[:1]:
                yield from ([*value, twin] for twin in changed(item))
        case dict():
            yield {**value, "unknown": 1}
            for key in value:
                yield {name: item for name, item in value.items() if name != key}
                yield {(key + "\n" if name == key else name): item for name, item in value.items()}
            yield list(value.values())


def as_object(value: list[Any]) -> dict[str, Any]:
    """Return the list as an object whose keys are its indexes."""
    return {str(index): item for index, item in enumerate(value)}


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container with each of its keys or indexes."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield value, key
        if isinstance(item, dict | list):
            yield from places(item)


def subschemas(schema: Any, at: str = "#") -> Iterator[tuple[str, Any]]:
    """Yield every object in the schema that could be a schema, with its place."""
    if isinstance(schema, dict):
        yield at, schema
        for key, child in schema.items():
            if key not in ("examples", "default", "enum", "const"):
                yield from subschemas(child, f"{at}/{key}")
    elif isinstance(schema, list):
        for index, child in enumerate(schema):
            yield from subschemas(child, f"{at}/{index}")


PARTS = {at: part for at, part in subschemas(SCHEMA) if set(part) & {"pattern", "type", "oneOf"}}
PATTERNS = {at: part for at, part in PARTS.items() if isinstance(part.get("pattern"), str)}
TEXTS = sorted(
    {
        text
        for _, part in subschemas(SCHEMA)
        for example in (*part.get("examples", ()), *part.get("enum", ()))
        for text in (example if isinstance(example, list | dict) else [example])
        if isinstance(text, str)
    }
)


def accepts_wrongly(value: Any) -> bool:
    """Tell whether the quick judge accepts what jsonschema refuses."""
    return satisfied_by(value) and not SLOW.is_valid(value)


def test_it_accepts_the_valid_files_and_refuses_the_wrong_ones() -> None:
    """Each file of the corpus and each example; not a number is the one thing it is stricter on."""
    verdicts = []
    for file in (*sorted(CORPUS.rglob("*.yaml")), *sorted(EXAMPLES.glob("*.yaml"))):
        try:
            data: Any = parse(file.read_bytes(), file=file.name).data
        except Unreadable:
            continue
        if file.stem == "ambiguous-values":
            assert not satisfied_by(data)
        else:
            assert satisfied_by(data) == SLOW.is_valid(data), file
        verdicts.append(satisfied_by(data))
    assert True in verdicts
    assert False in verdicts


def test_every_changed_place_of_every_valid_document_is_judged_alike() -> None:
    """One change at a time: wrong kinds, limits, line ends, other scripts' digits, twins in lists."""
    seen: set[str] = set()
    for original in documents():
        document = copy.deepcopy(original)
        for holder, key in list(places(document)):
            kept = holder[key]
            for value in (*HOSTILE, *changed(kept)):
                holder[key] = value
                assert not accepts_wrongly(document), (key, value)
            holder[key] = kept
            seen.add(str(key))
        assert document == original
    assert len(seen) > 100


def test_random_damage_is_judged_alike() -> None:
    """Several changes at once, the same on every run."""
    for document in mutations(1500, seed=19):
        assert not accepts_wrongly(document), document


@pytest.mark.parametrize("at", PARTS)
def test_every_part_of_the_schema_is_judged_alike(at: str) -> None:
    """Also by itself: its own examples, every hostile value, and the examples of all others."""
    part = {**PARTS[at], "$defs": SCHEMA["$defs"]}
    quick = jsonschema_rs.Draft202012Validator(
        part, offline=True, pattern_options=jsonschema_rs.RegexOptions()
    )
    slow = validator_for(part)
    own = [*part.get("examples", ()), *part.get("enum", ())]
    tried = [*HOSTILE, *TEXTS, *own, *(new for example in own for new in changed(example))]
    if at in PATTERNS:
        tried += [new for text in TEXTS if slow.is_valid(text) for new in strings(text)]
    for value in tried:
        try:
            accepted = quick.is_valid(value)
        except ValueError:
            continue
        assert not accepted or slow.is_valid(value), value


def test_every_expression_of_the_schema_is_tried_on_what_it_accepts() -> None:
    """None is judged alike only because nothing came that far."""
    for at, part in PATTERNS.items():
        accepts = validator_for({"pattern": part["pattern"]})
        assert any(accepts.is_valid(text) for text in TEXTS), at


def test_what_cannot_be_read_is_not_accepted() -> None:
    """jsonschema-rs raises at a lone surrogate and at keys that are no text: that is a no."""
    assert not satisfied_by({"version": 1, "service": "\ud800"})
    assert not satisfied_by({1: 1})


def test_a_valid_file_does_not_pay_for_jsonschema(tmp_path: Path) -> None:
    """Its import takes longer than all else that `validate` does; a wrong file needs its words."""
    program = (
        "import sys; from pathlib import Path; from deploy_action.config import check;"
        "check(Path(sys.argv[1])); print('jsonschema' in sys.modules)"
    )

    def imported(text: str) -> str:
        file = tmp_path / "deploy.yaml"
        file.write_text(text)
        argv = [sys.executable, "-c", program, str(file)]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

    assert imported("version: 1\nservice: shop\nimage: shop\nport: 80\n") == "False"
    assert imported("version: 1\nservice: shop\nimage: shop\nport: eighty\n") == "True"
