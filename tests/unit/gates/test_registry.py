"""The registry: what one entry of a gate brings with it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from deploy_action.config import deserialize, load, serialize
from deploy_action.config.hints import follow
from deploy_action.config.schema import deploy_schema
from deploy_action.gates.gate import Gate
from deploy_action.gates.registry import GATES, read_options

EVERYTHING = Path(__file__).parents[2] / "corpus" / "valid" / "everything.yaml"
KEYS = [gate.key for gate in GATES]


def test_the_schema_describes_the_gates_of_the_registry_and_no_others() -> None:
    """A key that nothing reads, or a gate that nobody can configure, is a mistake."""
    schema = follow(deploy_schema(), deploy_schema()["properties"]["gates"])
    assert sorted(schema["properties"]) == sorted(KEYS)


@pytest.mark.parametrize("gate", GATES, ids=KEYS)
def test_every_option_of_the_schema_is_read(gate: Gate[Any]) -> None:
    """The fullest example sets each option to something else than its default, and it comes back
    from storage as it was.
    """
    [environment] = load(EVERYTHING).environments.values()
    options = environment.gates[gate.key]
    assert isinstance(options, gate.options)
    for field in dataclasses.fields(options):
        assert getattr(options, field.name) != field.default, field.name
    stored = json.loads(json.dumps(serialize(environment)))
    assert deserialize(stored).gates[gate.key] == options
    assert list(gate.describe(options))


def _definition(key: str) -> str:
    """Return the name of the definition that a gate's key refers to; empty where it has none."""
    gates = follow(deploy_schema(), deploy_schema()["properties"]["gates"])
    return str(gates["properties"][key].get("$ref", "")).rpartition("/")[2]


@pytest.mark.parametrize("key", [gate.key for gate in GATES if _definition(gate.key)])
def test_true_takes_the_defaults_that_the_schema_promises_and_false_turns_off(key: str) -> None:
    """The documented default is the one that is used."""
    [gate] = [gate for gate in GATES if gate.key == key]
    properties = follow(deploy_schema(), {"$ref": f"#/$defs/{_definition(key)}"})["properties"]
    promised = {name: part["default"] for name, part in properties.items() if "default" in part}
    assert gate.read(True) == gate.read(promised) == gate.options()
    assert read_options({key: False}) == {}


def test_a_gate_of_a_newer_version_is_ignored_in_storage() -> None:
    """A release that a newer version stored can still be restored."""
    [environment] = load(EVERYTHING).environments.values()
    stored = json.loads(json.dumps(serialize(environment)))
    stored["gates"]["horoscope"] = {"sign": "leo"}
    assert deserialize(stored) == environment
