"""Every file of the corpus is found by itself and says what its `.expected` file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy_action.config import check, deserialize, load, serialize
from deploy_action.errors import ConfigError
from deploy_action.problem import Problem

CORPUS = Path(__file__).parents[2] / "corpus"
VALID = sorted((CORPUS / "valid").glob("*.yaml"))
INVALID = sorted((CORPUS / "invalid").glob("*.yaml"))


def expected_of(file: Path) -> list[str]:
    """Return the lines of the `.expected` file: ``LINE:COLUMN SEVERITY RULE``."""
    expected = file.with_suffix(".expected")
    return expected.read_text("utf-8").splitlines() if expected.exists() else []


def found(problems: tuple[Problem, ...]) -> list[str]:
    """Return problems as an `.expected` file has them."""
    return [
        f"{problem.line}:{problem.column} {problem.severity} {problem.rule}" for problem in problems
    ]


def test_the_corpus_is_there() -> None:
    """Both halves of the corpus hold files, and no `.expected` file lost its example."""
    assert len(VALID) >= 15
    assert len(INVALID) >= 60
    for expected in CORPUS.rglob("*.expected"):
        assert expected.with_suffix(".yaml").exists()


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_valid_files_load(file: Path) -> None:
    """A valid file loads, with exactly the warnings that are written down, and survives storage."""
    config, problems = check(file)
    assert config is not None
    assert found(problems) == expected_of(file)
    for environment in config.environments.values():
        assert deserialize(serialize(environment)) == environment


@pytest.mark.parametrize("file", INVALID, ids=lambda file: file.stem)
def test_invalid_files_say_why(file: Path) -> None:
    """An invalid file is refused with every problem at its place, each with words and a rule."""
    with pytest.raises(ConfigError) as caught:
        load(file)
    problems = caught.value.problems
    assert found(problems) == expected_of(file)
    assert expected_of(file), "an invalid file has at least one problem"
    for problem in problems:
        assert problem.file == str(file)
        assert problem.message


@pytest.mark.parametrize("file", [*VALID, *INVALID], ids=lambda file: file.stem)
def test_no_problem_shows_a_secret(file: Path) -> None:
    """What looks like a secret in the corpus is in no message and no hint."""
    _, problems = check(file)
    told = "\n".join(str(problem) for problem in problems)
    for secret in ("hunter2", "ghp_", "c2hvcDpodW50ZXIy", "user:pw", "deploy:password"):
        assert secret not in told
