"""The configuration gate: what it finds, and that it never passes what it could not check."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy_action.gates import config_files
from deploy_action.gates.config_files import ConfigFile, ConfigFilesOptions
from deploy_action.gates.result import Broken, Findings, GateResult, Passed

Fill = Callable[..., Path]


def run(root: Path, *files: ConfigFile) -> GateResult:
    """Run the gate over the files."""
    return config_files.run(ConfigFilesOptions(files=files), root)


SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "port": {"type": "integer", "maximum": 65535},
            "level": {"enum": ["debug", "info"]},
            "database": {
                "type": "object",
                "properties": {"host": {"type": "string"}, "password": {"pattern": "^[a-z]+$"}},
                "required": ["host"],
                "additionalProperties": False,
            },
        },
    }
)
FILES = {
    "app.yaml": "port: 80\nlevel: inof\ndatabase:\n  hst: db\n  password: HUNTER2\n",
    "app.json": '{"port": 80,\n "level": "inof",\n "database": {\n  "hst": "db",'
    '\n  "password": "HUNTER2"}}\n',
    "app.toml": 'port = 80\nlevel = "inof"\n[database]\nhst = "db"\npassword = "HUNTER2"\n',
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_is_held_against_a_schema(fill: Fill, name: str) -> None:
    """YAML, JSON and TOML give the same problems, YAML's at their lines, without any value."""
    root = fill({name: FILES[name], "schema.json": SCHEMA})
    result = run(root, ConfigFile(file=name, schema="schema.json"))
    assert isinstance(result, Findings)
    places = {(problem.where, problem.rule): problem.line for problem in result.problems}
    lines = {
        ("level", "not-allowed"): 2,
        ("database.hst", "unknown-key"): 4,
        ("database.password", "bad-form"): 5,
        ("database", "missing-key"): 3,
    }
    has_lines = name == "app.yaml"
    assert places == {key: line if has_lines else 0 for key, line in lines.items()}
    told = "\n".join(str(problem) for problem in result.problems)
    assert "did you mean 'host'?" in told
    for value in ("HUNTER2", "inof", '"db"'):
        assert value not in told


def test_a_good_file_passes(fill: Fill) -> None:
    """What satisfies schema and required keys passes, anchors and merges of YAML included."""
    text = "base: &base {host: db}\ndatabase: {<<: *base}\nport: 1.50\n1: x\n"
    root = fill({"conf/app.yaml": text, "schema.json": '{"required": ["database"]}'})
    gates = [
        ConfigFile(file="conf/app.yaml", schema="schema.json", required=("database.host",)),
        ConfigFile(file="conf/app.yaml", required=("port",)),
    ]
    result = run(root, *gates)
    assert isinstance(result, Passed)
    assert result.summary == "2 files"


@pytest.mark.parametrize(
    ("key", "line", "hint"),
    [
        ("databse", 1, "did you mean 'database'?"),
        ("database.hots", 2, "did you mean 'host'?"),
        ("database.host.name", 3, ""),
        ("servers.1", 5, ""),
        ("empty", 6, ""),
    ],
)
def test_required_keys_are_looked_for(fill: Fill, key: str, line: int, hint: str) -> None:
    """A required key that is missing or empty is told at the map that should have it."""
    text = "port: 1\ndatabase:\n  host: db\n\nservers: [a]\nempty:\n"
    root = fill({"app.yaml": text})
    result = run(root, ConfigFile(file="app.yaml", required=(key,)))
    assert isinstance(result, Findings)
    [problem] = result.problems
    assert (problem.rule, problem.where, problem.line) == ("missing-key", key, line)
    assert problem.hint == hint


@pytest.mark.parametrize("text", ["a: [", "", "a: 1\n---\nb: 2\n", "a: !vault x\n", "a: 1\na: 2\n"])
def test_a_file_that_is_not_well_formed_is_a_finding(fill: Fill, text: str) -> None:
    """The file is there and wrong: that is what the gate is for."""
    root = fill({"app.yaml": text})
    result = run(root, ConfigFile(file="app.yaml", required=("a",)))
    assert isinstance(result, Findings)


def test_a_missing_file_breaks_the_gate(fill: Fill) -> None:
    """Nothing to check is not a pass, and what other files have wrong is told as well."""
    root = fill({"app.yaml": "a: 1\n"})
    gates = [
        ConfigFile(file="gone.yaml", required=("a",)),
        ConfigFile(file="app.yaml", required=("b",)),
    ]
    result = run(root, *gates)
    assert isinstance(result, Broken)
    assert "gone.yaml" in result.why
    assert [problem.file for problem in result.problems] == ["gone.yaml", "app.yaml"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (None, "no such file"),
        ("{", "not valid JSON"),
        ('{"type": 12}', "not a valid JSON Schema"),
        ('{"$schema": "https://example.com/draft"}', "unknown"),
        ('{"$schema": 12}', "unknown"),
        ('{"properties": {"a": {"pattern": "(["}}}', "pattern"),
        ('{"$ref": "#/$defs/gone"}', "reference"),
        ('{"$ref": "#"}', "without end"),
    ],
)
def test_a_schema_that_cannot_be_used_breaks_the_gate(
    fill: Fill, schema: str | None, words: str
) -> None:
    """A schema that is missing, malformed or refers to nothing never lets a file pass."""
    files = {"app.yaml": "a: text\n"} | ({} if schema is None else {"s.json": schema})
    result = run(fill(files), ConfigFile(file="app.yaml", schema="s.json"))
    assert isinstance(result, Broken)
    assert words in result.why


def test_references_to_files_are_not_followed(fill: Fill) -> None:
    """A schema cannot make the deployer read another file or fetch a page."""
    root = fill({"app.yaml": "a: text\n", "secret.json": '{"type": "string"}'})
    for target in ((root / "secret.json").as_uri(), "secret.json", "http://127.0.0.1:9/s.json"):
        (root / "s.json").write_text(json.dumps({"$ref": target}))
        result = run(root, ConfigFile(file="app.yaml", schema="s.json"))
        assert isinstance(result, Broken)
        assert "leads out of the schema" in result.why


def test_a_pattern_that_never_ends_is_killed(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catastrophic backtracking breaks the gate after its time, and does not hang it."""
    schema = json.dumps({"properties": {"a": {"pattern": "^(a+)+$"}}})
    root = fill({"app.yaml": f"a: {'a' * 60}!\n", "s.json": schema})
    started = time.monotonic()
    gate = ConfigFile(file="app.yaml", schema="s.json")
    monkeypatch.setattr(config_files, "TIMEOUT_SECONDS", 2.0)
    result = run(root, gate)
    assert isinstance(result, Broken)
    assert "timed out" in result.why
    assert "s.json" in result.remedy
    assert time.monotonic() - started < 15


def test_many_slow_files_have_one_budget(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many a pull request names: what is not checked any more is told, and does not pass."""
    monkeypatch.setattr(config_files, "_TOTAL_SECONDS", 1.0)
    slow = {f"{number}.json": json.dumps("a" * 40 + "!") for number in range(20)}
    root = fill({"slow.schema.json": json.dumps({"pattern": "^(a+)+$"}), **slow})
    files = [ConfigFile(file=name, schema="slow.schema.json") for name in slow]
    begun = time.monotonic()
    result = run(root, *files)
    assert time.monotonic() - begun < 10
    assert isinstance(result, Broken)
    assert len(result.unchecked) == 20


def test_older_drafts_keep_their_meaning(fill: Fill) -> None:
    """A schema that names draft 7 is read as draft 7, where `items` may be a list."""
    schema = json.dumps(
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "properties": {"a": {"items": [{"type": "string"}, {"type": "integer"}]}},
        }
    )
    root = fill({"app.json": '{"a": ["x", "y"]}', "s.json": schema})
    result = run(root, ConfigFile(file="app.json", schema="s.json"))
    assert isinstance(result, Findings)
    assert [problem.where for problem in result.problems] == ["a[1]"]


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": False}},
        {"additionalProperties": {"type": "string"}},
        {"properties": {"a": {"anyOf": [{"type": "string"}, {"const": 2}]}}},
        {"properties": {"a": {"oneOf": [{"type": "string"}, {"type": "array"}]}}},
        {"properties": {"a": {"not": {"type": "integer"}}}},
        {"properties": {"a": {"multipleOf": 2}}},
        {"patternProperties": {"^b": {}}, "additionalProperties": False},
        {"propertyNames": {"pattern": "^b"}},
        {"propertyNames": {"enum": ["b"]}},
        {"dependentRequired": {"a": ["b"]}},
        {"unevaluatedProperties": False},
        {"minProperties": 2},
        {"properties": {"a": {"exclusiveMaximum": 1}}},
        {"if": {"required": ["a"]}, "then": {"required": ["c"]}},
        {"$defs": {"x": {"enum": [3]}}, "properties": {"a": {"$ref": "#/$defs/x"}}},
        False,
    ],
)
def test_every_keyword_has_words(fill: Fill, schema: object) -> None:
    """Whatever keyword refuses a file, the problem has a place and words, and not the value."""
    root = fill({"app.yaml": "a: 1\n", "s.json": json.dumps(schema)})
    result = run(root, ConfigFile(file="app.yaml", schema="s.json"))
    assert isinstance(result, Findings)
    assert result.problems
    for problem in result.problems:
        assert problem.file == "app.yaml"
        assert problem.line == 1
        assert problem.message
