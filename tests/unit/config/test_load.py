"""From file to configuration: errors, choices, and what no input may do."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.support.errors import fails_with
from tests.unit.config.mutations import mutations

from deploy_action.config import check, deserialize, load, select_environment, serialize
from deploy_action.errors import BadInput, ConfigError, ErrorCode, ExitCode
from deploy_action.problem import Problem, Severity

Write = Callable[[str | bytes], Path]

SHOP = "version: 1\nservice: shop\nimage: shop\nport: 80\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a deploy.yaml and return its path."""

    def write(content: str | bytes) -> Path:
        file = tmp_path / "deploy.yaml"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write


def test_errors_are_raised_together_and_name_the_next_command(write: Write) -> None:
    """`load` raises once, with every problem, exit code 2 and the command that shows them."""
    file = write(SHOP + "prot: 1\nreplicas: 0\nenv: {API_KEY: x}\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert [problem.rule for problem in caught.value.problems] == [
        "unknown-key",
        "out-of-range",
        "plain-secret",
    ]
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    assert "2 errors" in str(caught.value)
    assert f"deploy-action validate --config {file}" in str(caught.value)


def test_warnings_do_not_stop_a_deployment(write: Write) -> None:
    """A configuration with warnings only is loaded, and `check` tells the warnings."""
    file = write(SHOP + "env: {API_KEY: x}\n")
    config, problems = check(file)
    assert config is not None
    assert [problem.severity for problem in problems] == [Severity.WARNING]
    assert load(file) == config


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    """Nobody is left with 'no such file'."""
    config, [problem] = check(tmp_path / "deploy.yaml")
    assert config is None
    assert problem.rule == "file-missing"
    assert "deploy-action init" in problem.hint


def test_an_environment_is_chosen_by_name(write: Write) -> None:
    """The only environment needs no name; a wrong name gets the likely one."""
    config = load(write(SHOP))
    assert select_environment(config, None).name == "production"
    several = load(write(SHOP + "environments: {staging: {route: {port: 81}}, production: {}}\n"))
    assert select_environment(several, "staging").name == "staging"
    with fails_with(ErrorCode.ENVIRONMENT_NOT_NAMED):
        select_environment(several, None)
    with pytest.raises(BadInput) as caught:
        select_environment(several, "prodcution")
    assert "production" in caught.value.remedy


def _shown(file: Path) -> list[Problem]:
    config, problems = check(file)
    assert config is None
    assert problems
    return list(problems)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"a: b\n" * 1_000_000, "file-too-big"),
        (b"[" * 1_000_000, "too-deep"),
        (b"{a: " * 250_000, "too-deep"),
        (b"- " * 500_000, "too-deep"),
        (b"? " * 500_000, "too-deep"),
        (b"- a\n" * 250_000, "too-many-values"),
        (b"a: !x b\n" * 100, "tag"),
        (b"&a a: *a\n" * 10_000, "alias"),
        (b'"' + b"\\x61" * 200_000, "yaml-syntax"),
        (b"a: " + b"9" * 100_000, "bad-scalar"),
        (b"a: 1e" + b"9" * 100_000, "missing-key"),
        (b"a: " + b"1:" * 500_000 + b"1", "bad-scalar"),
        (b"\xff" * 1_000_000, "not-utf8"),
        (b"#" * 1_000_000, "empty-file"),
        (b"\n" * 1_000_000, "empty-file"),
        (b"--- a\n" * 100_000, "many-documents"),
        (b"%" * 1_000_000, "yaml-syntax"),
        (b"a: |\n" + b" x\n" * 300_000, "missing-key"),
        (b"".join(b"k%d: 1\n" % number for number in range(20_000)), "too-many-problems"),
        (b"secrets: [" + b"a, 1, " * 20_000 + b"]", "too-many-problems"),
        (
            b"secrets: [" + b"".join(b"a%d, %d, " % (i, i) for i in range(10_000)) + b"]",
            "wrong-type",
        ),
        (b"a" * 1_000_000 + b": b", "yaml-syntax"),
    ],
)
def test_hostile_files_end_quickly(write: Write, content: bytes, rule: str) -> None:
    """Bombs, nonsense and huge files are refused within seconds, in few short words."""
    started = time.monotonic()
    problems = _shown(write(content))
    assert time.monotonic() - started < 10
    assert rule in {problem.rule for problem in problems}
    assert sum(len(str(problem)) for problem in problems) < 40_000


def test_many_environments_are_compared_quickly(write: Write) -> None:
    """The cross-checks of a hundred environments with many hosts and variables do not blow up."""
    hosts = ", ".join(f'"ssh://host{number}"' for number in range(200))
    variables = ", ".join(f"V{number}: x" for number in range(2000))
    names = "".join(f"  e{n}: {{route: {{port: {n + 1}}}}}\n" for n in range(100))
    started = time.monotonic()
    config, problems = check(
        write(SHOP + f"hosts: [{hosts}]\nenv: {{{variables}}}\nenvironments:\n{names}")
    )
    assert config is not None
    assert not problems
    assert time.monotonic() - started < 15


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    """Directories, devices and pipes do not hang the reader."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, Path("/dev/zero"), pipe):
        assert [problem.rule for problem in _shown(path)] == ["not-a-file"]


def test_damaged_files_never_crash(write: Write, tmp_path: Path) -> None:
    """Whatever the file says, there are problems or a configuration that survives storage."""
    shutil.copytree(Path(__file__).parents[2] / "corpus/valid/files", tmp_path / "files")
    loaded = 0
    for document in mutations(700, seed=4):
        config, problems = check(write(yaml.safe_dump(document)))
        errors = [problem for problem in problems if problem.severity is Severity.ERROR]
        assert (config is None) == bool(errors)
        for each in config.environments.values() if config else ():
            stored = json.dumps(serialize(each), allow_nan=False)
            assert deserialize(json.loads(stored)) == each
            loaded += 1
    assert loaded > 50
