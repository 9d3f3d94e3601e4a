"""Outcomes: what they mean for the exit code and for what serves."""

from __future__ import annotations

import pytest
from tests.unit.render.samples import DEPLOYED, failed

from deploy_action.errors import (
    BadInput,
    ConfigError,
    DeployActionError,
    DeploymentFailed,
    ExitCode,
    GateRefused,
    HostUnreachable,
    Interrupted,
    LockHeld,
    RollbackFailed,
)
from deploy_action.problem import Problem
from deploy_action.results.outcome import Outcome, Result

ERRORS = [
    (BadInput, Result.INVALID, 2),
    (GateRefused, Result.REFUSED, 3),
    (DeploymentFailed, Result.FAILED, 4),
    (HostUnreachable, Result.FAILED, 4),
    (Interrupted, Result.FAILED, 4),
    (RollbackFailed, Result.UNRESOLVED, 5),
    (LockHeld, Result.LOCKED, 6),
    (DeployActionError, Result.ERROR, 1),
]


@pytest.mark.parametrize(("kind", "result", "code"), ERRORS)
def test_each_error_has_a_result_and_the_exit_code_of_the_style_page(
    kind: type[DeployActionError], result: Result, code: int
) -> None:
    """Every error of the tree becomes an outcome with its own word and exit code."""
    outcome = Outcome.of_error(kind("what"), environment="production")
    assert (outcome.result, outcome.exit_code) == (result, code)
    assert outcome.environment == "production"


@pytest.mark.parametrize("result", list(Result))
def test_without_an_error_the_result_decides_and_agrees_with_the_error_tree(result: Result) -> None:
    """A result by itself has the same exit code as an error with that result."""
    expected = {r: ExitCode(code) for _, r, code in ERRORS}.get(result, ExitCode.DONE)
    assert Outcome(result=result).exit_code is expected


def test_a_configuration_error_keeps_its_problems() -> None:
    """The problems of a wrong deploy.yaml reach the report."""
    problem = Problem(file="deploy.yaml", line=3, message="unknown key")
    assert Outcome.of_error(ConfigError("wrong", (problem,))).problems == (problem,)


def test_what_serves_follows_from_how_the_deployment_ended() -> None:
    """A success serves the new version, an undone one the old; without one nobody knows."""
    assert Outcome(result=Result.DEPLOYED, deployment=DEPLOYED).serving == "1.4.2"
    assert Outcome(result=Result.FAILED, deployment=failed()).serving == "1.4.1"
    assert Outcome(result=Result.FAILED).serving == ""
