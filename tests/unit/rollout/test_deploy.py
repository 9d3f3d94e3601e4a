"""From a release to an outcome, on a platform in memory."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import pytest
from tests.fakes.values import succeeded
from tests.unit.rollout.samples import Bench

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.events.model import DeploymentStarted
from deploy_action.gates.result import Passed
from deploy_action.releases.model import Kind, State
from deploy_action.results.outcome import Outcome, Result
from deploy_action.rollout.deploy import Attempt, deploy_release, plan_release
from deploy_action.rollout.step import StepId

GATES = (Passed(gate="files", summary="fine", duration_seconds=0.1),)


@pytest.fixture
def bench() -> Bench:
    """Two hosts on which 1.0.0 is live."""
    made = Bench()
    made.live(succeeded(1, made.release("1.0.0")))
    return made


def attempt(kind: Kind = Kind.DEPLOY, **changes: Any) -> Attempt:
    given: dict[str, Any] = {
        "id": "d2",
        "kind": kind,
        "actor": "ada",
        "reason": "ticket 12",
        "run_url": "https://example.com/run",
        "secrets": {},
        "current_secrets": lambda _: {},
        "gates": GATES,
    }
    return Attempt(**given | changes)


def deploy(bench: Bench, version: str, of: Attempt | None = None) -> Outcome:
    with bench.lock() as store:
        return deploy_release(
            bench.platform,
            store,
            bench.platform.observe(),
            bench.release(version),
            of or attempt(),
            clock=bench.clock,
            events=bench.events,
        )


def test_a_plan_is_told_and_nothing_is_changed(bench: Bench) -> None:
    """Its lines, what is live, and the version that would be."""
    before = repr(bench.machines)
    seen = bench.platform.observe()
    planned = plan_release(bench.platform, bench.release("2.0.0"), Kind.DEPLOY, seen, GATES)
    assert (planned.result, planned.planned_version) == (Result.PLANNED, "2.0.0")
    assert planned.plan == bench.plan().lines()
    assert planned.deployment == bench.entries()[-1]
    assert planned.gates == GATES
    same = plan_release(bench.platform, bench.release("1.0.0"), Kind.DEPLOY, seen)
    assert (same.result, same.plan) == (Result.UNCHANGED, ())
    assert repr(bench.machines) == before


def test_a_success_is_told_as_the_ledger_has_it(bench: Bench) -> None:
    """Who, why, what was before; the observers learn of the attempt when it begins."""
    outcome = deploy(bench, "2.0.0")
    assert (outcome.result, outcome.error, outcome.gates) == (Result.DEPLOYED, None, GATES)
    done = outcome.deployment
    assert done is not None
    assert done == bench.entries()[-1]
    assert (done.id, done.number, done.actor, done.reason) == ("d2", 2, "ada", "ticket 12")
    assert (done.previous, done.previous_version) == (bench.release("1.0.0").id, "1.0.0")
    assert (done.state, done.run_url) == (State.SUCCEEDED, "https://example.com/run")
    assert outcome.excerpts == ()
    [begun] = [event for event in bench.seen.events if isinstance(event, DeploymentStarted)]
    assert (begun.deployment.id, begun.deployment.state) == ("d2", State.RUNNING)


def test_a_rollback_has_a_result_of_its_own(bench: Bench) -> None:
    """And the entry says which release was asked for."""
    deploy(bench, "2.0.0")
    target = bench.release("1.0.0").id
    outcome = deploy(bench, "1.0.0", attempt(Kind.ROLLBACK, id="d3", restores=target))
    assert outcome.result is Result.ROLLED_BACK
    assert bench.entries()[-1].restores == target
    assert bench.serving() == ["1.0.0", "1.0.0"]


def test_a_failure_is_an_outcome_with_its_error_and_the_last_log_lines(bench: Bench) -> None:
    """Nothing is raised: the report shows it."""
    for machine in bench.machines.values():
        machine.bad.add("2.0.0")
    outcome = deploy(bench, "2.0.0")
    assert outcome.result is Result.FAILED
    assert outcome.error is not None
    assert outcome.error.code is ErrorCode.REPLICA_UNHEALTHY
    assert outcome.deployment == bench.entries()[-1]
    assert [excerpt.lines for excerpt in outcome.excerpts] == [("its last line",)] * 2
    assert (outcome.serving, bench.serving()) == ("1.0.0", ["1.0.0", "1.0.0"])


def test_an_undo_that_fails_is_unresolved(bench: Bench) -> None:
    """A person is needed."""
    bench.machines["a"].bad.add("2.0.0")
    bench.machines["a"].broken = True
    assert deploy(bench, "2.0.0").result is Result.UNRESOLVED


def test_what_is_live_is_repaired_and_told_as_unchanged(bench: Bench) -> None:
    """No entry is written; what was done is a note."""
    bench.machines["b"].releases[bench.release("1.0.0").id]["running"] = Counter()
    before = bench.entries()
    outcome = deploy(bench, "1.0.0")
    assert (outcome.result, bench.entries()) == (Result.UNCHANGED, before)
    assert outcome.deployment == before[-1]
    assert len(outcome.notes) == 1
    assert bench.serving() == ["1.0.0", "1.0.0"]


def test_a_repair_that_fails_is_raised(bench: Bench) -> None:
    """Nothing was attempted, so no outcome tells of an attempt."""
    bench.machines["b"].broken = True
    with pytest.raises(DeploymentFailed) as raised:
        deploy(bench, "1.0.0")
    assert raised.value.code is ErrorCode.HOST_UNREACHABLE


def test_another_bug_is_not_an_outcome(bench: Bench) -> None:
    """It was undone, and leaves as what it is."""

    class Buggy(type(bench.platform)):  # type: ignore[misc]
        def plan(self, *given: Any) -> Any:
            plan = super().plan(*given)
            broken = dataclasses.replace(plan.stages[1].steps[0], host="no such host")
            stage = dataclasses.replace(plan.stages[1], steps=(broken,))
            assert broken.id is StepId.SHIFT_TRAFFIC
            return dataclasses.replace(plan, stages=(plan.stages[0], stage))

    with bench.lock() as store, pytest.raises(KeyError):
        deploy_release(
            Buggy(bench.machines),
            store,
            bench.platform.observe(),
            bench.release("2.0.0"),
            attempt(),
            clock=bench.clock,
            events=bench.events,
        )
    assert bench.serving() == ["1.0.0", "1.0.0"]
    assert bench.entries()[-1].state is State.FAILED
