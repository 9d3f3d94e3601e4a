"""The deploy files that users copy are valid, without a single warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy_action.config import check

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))


def test_there_are_examples() -> None:
    """Each kind of service has one."""
    assert {file.stem for file in EXAMPLES} >= {"minimal", "staging-production", "worker", "tcp"}


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_examples_are_clean(file: Path) -> None:
    """What people start from has neither errors nor warnings, and says what it shows."""
    config, problems = check(file)
    assert config is not None, problems
    assert not problems
    assert file.read_text("utf-8").startswith("# ")
