"""The report on a terminal: a failure answers what, where, why, what serves and what next."""

from __future__ import annotations

import dataclasses

import pytest
from tests.unit.render.samples import DEPLOYED, failed

from deploy_action.checks.result import CheckResult
from deploy_action.errors import BadInput, DeploymentFailed, RollbackFailed
from deploy_action.gates.result import Broken, Finding, Findings, NotRun, Passed
from deploy_action.problem import Problem
from deploy_action.releases.model import State
from deploy_action.render.terminal import RenderContext, show_report
from deploy_action.render.text import Style
from deploy_action.results.outcome import Excerpt, Outcome, Result

FAILURE = Outcome(
    result=Result.FAILED,
    service="shop",
    environment="production",
    deployment=failed(),
    error=DeploymentFailed(
        "a: shop_production_1.4.2_8 exited with 1 after 0.3 s",
        cause="it could not reach its database",
        remedy="look at DATABASE_URL",
    ),
    checks=(
        CheckResult(name="home", where="replica 1 on a", passed=True, seconds=0.1, attempts=1),
        CheckResult(
            name="api",
            where="replica 1 on a",
            passed=False,
            seconds=10,
            attempts=40,
            detail="expected status 200, got 503",
        ),
    ),
    excerpts=(
        Excerpt(title="last lines of shop_production_1.4.2_8", host="a", lines=("\x1b[31mboom",)),
    ),
    restorable=("1.4.1", "1.3.0"),
)


def text(outcome: Outcome, **paper: object) -> str:
    return "\n".join(show_report(outcome, RenderContext(**paper)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer",
    [
        "✗ shop 1.4.2 is not live in production; 1.4.1 still serves (4.1s)",
        "a: shop_production_1.4.2_8 exited with 1 after 0.3 s",
        "cause   it could not reach its database",
        "remedy  look at DATABASE_URL",
        "a     restored",
        "b     unknown",
        "✓ 1 of 2 checks passed",
        "✗ api  replica 1 on a  40×  10s",
        "expected status 200, got 503",
        "last lines of shop_production_1.4.2_8 on a",
        "│ \\x1b[31mboom",
        "deploy-action history -e production",
        "1.4.1, 1.3.0",
    ],
)
def test_a_failed_deployment_answers_every_question(answer: str) -> None:
    """What failed, on which host, why, the log, what serves now, what to do next."""
    assert answer in text(FAILURE)


def test_no_line_from_outside_reaches_the_terminal_as_it_is() -> None:
    """Without colours a report holds no escape character at all."""
    assert "\x1b" not in text(FAILURE)


def test_a_first_deployment_that_failed_claims_nothing_that_serves() -> None:
    """Nothing served before, so nothing serves on."""
    first = dataclasses.replace(failed(), previous_version="")
    said = text(Outcome(result=Result.FAILED, environment="production", deployment=first))
    assert "nothing served before" in said
    assert "a: the container exited with 1" in said


def test_a_success_says_what_is_live_where_and_how_to_undo_it() -> None:
    """The verdict first; then the facts; then the way back."""
    outcome = Outcome(
        result=Result.DEPLOYED,
        environment="production",
        url="https://shop.example.com",
        deployment=DEPLOYED,
        notes=("the old replica ignored SIGTERM and was killed",),
    )
    said = text(outcome)
    assert said.startswith("✓ shop 1.4.2 is live in production (12s)\n")
    assert "https://shop.example.com" in said
    assert "previous  1.4.1" in said
    assert "1,000 sent, 0 lost" in said
    assert "note: the old replica ignored SIGTERM and was killed" in said
    assert "deploy-action rollback -e production --from 1.4.2" in said
    assert "█" in said


def test_an_unresolved_deployment_calls_for_a_person() -> None:
    """Exit code 5 is not dressed up."""
    outcome = Outcome(
        result=Result.UNRESOLVED,
        environment="production",
        deployment=dataclasses.replace(failed(), state=State.UNRESOLVED),
        error=RollbackFailed("b: does not answer"),
    )
    said = text(outcome)
    assert "manual intervention is required" in " ".join(said.split())
    assert "deploy-action status -e production" in said
    assert "still serves" not in said


def test_an_error_without_a_deployment_is_its_own_verdict_and_is_said_once() -> None:
    """A usage error is one line, its cause and its remedy."""
    said = text(Outcome.of_error(BadInput("no such flag", remedy="deploy-action --help")))
    assert said == "✗ no such flag\n\n  remedy  deploy-action --help"


def test_gates_show_one_line_when_passed_and_everything_when_not() -> None:
    """Findings have file, line and message; a broken gate says that it did not do its job."""
    problem = Problem(file="src/a.py", line=3, message="shell=True", rule="B602")
    outcome = Outcome(
        result=Result.REFUSED,
        environment="production",
        gates=(
            Passed(gate="config", duration_seconds=0.1, summary="2 files are valid"),
            NotRun(gate="other"),
            Findings(
                gate="bandit",
                duration_seconds=2,
                summary="1 finding",
                findings=(Finding(problem=problem),),
            ),
            Broken(gate="probe", duration_seconds=1, why="it crashed", remedy="reinstall it"),
        ),
    )
    said = text(outcome)
    assert "✓ config  2 files are valid                100 ms" in said
    assert "not configured" not in said
    assert (
        "✗ bandit  1 finding                        2.0s\n    src/a.py:3: error [B602]\n      shell=True"
        in said
    )
    assert (
        "✗ probe   the gate did not run to its end  1.0s\n    it crashed\n    remedy  reinstall it"
        in said
    )


def test_unchanged_does_not_show_the_times_of_an_earlier_deployment_as_its_own() -> None:
    """The deployment that is live is named; its duration and its phases are history."""
    said = text(Outcome(result=Result.UNCHANGED, environment="production", deployment=DEPLOYED))
    assert said.startswith("✓ shop 1.4.2 is live in production already; nothing was changed\n")
    assert "d-7" in said
    assert "█" not in said
    note = ("local: shop-1.4.2-1 was stopped and is started again",)
    mended = Outcome(
        result=Result.UNCHANGED,
        environment="production",
        deployment=DEPLOYED,
        notes=note,
        repaired=True,
    )
    assert "already; what had drifted was repaired\n" in text(mended)


def test_a_plan_tells_the_version_that_it_is_about_and_not_an_earlier_deployment() -> None:
    """What serves now is named, and nothing of its deployment."""
    said = text(
        Outcome(
            result=Result.PLANNED,
            environment="production",
            deployment=DEPLOYED,
            plan=("start replica 1: a new container",),
            planned_version="1.5.0",
        )
    )
    assert said.startswith("✓ the plan for 1.5.0 in production; nothing was changed\n")
    assert "current  1.4.2" in said
    assert "start replica 1" in said
    assert "d-7" not in said
    assert "█" not in said


def test_check_does_not_claim_that_gates_passed_which_never_ran() -> None:
    """A green line for nothing would be a lie; `check` names what is not configured."""
    nothing = text(Outcome(result=Result.PASSED, gates=(NotRun(gate="bandit"),)))
    assert "no gate is configured" in nothing
    assert "- bandit  not configured" in nothing
    passed = Passed(gate="bandit", duration_seconds=1, summary="3 files")
    assert "✓ every gate passed" in text(Outcome(result=Result.PASSED, gates=(passed,)))


@pytest.mark.parametrize("result", list(Result))
def test_every_result_has_a_sentence(result: Result) -> None:
    """No result is shown as nothing."""
    verdict = show_report(Outcome(result=result, environment="production"), RenderContext())[0]
    assert len(verdict) > 4
    assert verdict[0] in "✓✗"


@pytest.mark.parametrize("width", [40, 80, 120])
def test_prose_fits_the_width(width: int) -> None:
    """Only what must be copied in one piece may be longer."""
    for line in show_report(FAILURE, RenderContext(width=width)):
        assert len(line) <= width or line.startswith(
            ("✗", "  ✗ api", "  image", "  look", "  │", "  last lines")
        )


def test_colours_are_only_decoration() -> None:
    """With the colours taken out, the coloured report is the plain one."""
    import re

    coloured = text(FAILURE, style=Style(enabled=True))
    assert re.sub("\x1b\\[[0-9]+m", "", coloured) == text(FAILURE)
