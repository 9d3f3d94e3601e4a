"""The schema: itself valid, fully described, and judged alike by two independent validators."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from jsonschema import Draft202012Validator
from tests.unit.config.mutations import documents, mutations

from deploy_action.config.document import Document
from deploy_action.config.hints import follow
from deploy_action.config.schema import deploy_schema, validator_for, violations

SCHEMA = dict(deploy_schema())


def _keys(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every key that the schema knows, with what it says about it."""
    if isinstance(schema, dict):
        for name, child in schema.get("properties", {}).items():
            yield f"{path}.{name}", child
        for name, child in schema.items():
            yield from _keys(child, f"{path}.{name}")
    elif isinstance(schema, list):
        for index, child in enumerate(schema):
            yield from _keys(child, f"{path}[{index}]")


KEYS = dict(_keys(SCHEMA))


def test_the_schema_is_one() -> None:
    """It satisfies the meta-schema of draft 2020-12 and has an `$id` for editors."""
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["$id"].endswith("/schemas/deploy.schema.json")


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_described_with_valid_examples(key: str) -> None:
    """Each key says what it is for, in a sentence, with examples and defaults that are valid."""
    here = KEYS[key]
    target = follow(SCHEMA, here)
    description = here.get("description") or target.get("description", "")
    assert description.endswith((".", "`")), description
    examples = here.get("examples") or target.get("examples", [])
    assert examples
    definition = {**here, "$defs": SCHEMA["$defs"]}
    for example in [*examples, *([here["default"]] if "default" in here else [])]:
        assert validator_for(definition).is_valid(example), example


def test_the_schemas_own_examples_are_valid() -> None:
    """The example of the whole file is one."""
    for example in SCHEMA["examples"]:
        assert validator_for(SCHEMA).is_valid(example)


def _verdict(document: object) -> bool:
    """Return whether our own violations are none."""
    held = Document(file="deploy.yaml", data=document, keys={}, values={})
    return not list(violations(held, SCHEMA, wording="values"))


def test_both_validators_accept_the_corpus() -> None:
    """What is valid for us is valid for an independent implementation."""
    other = jsonschema_rs.Draft202012Validator(SCHEMA)
    for document in documents():
        assert _verdict(document)
        assert other.is_valid(document)


def test_both_validators_agree_on_damaged_documents() -> None:
    """On random changes of valid documents both give the same verdict, and both verdicts occur."""
    other = jsonschema_rs.Draft202012Validator(SCHEMA)
    verdicts = []
    for document in mutations(1500, seed=20261124):
        verdict = _verdict(document)
        assert verdict == other.is_valid(document), json.dumps(document)
        verdicts.append(verdict)
    assert 100 < sum(verdicts) < len(verdicts) - 100
