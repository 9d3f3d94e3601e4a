"""Automatic rollback: the decision as a pure function, and what is done on a platform in memory."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.values import environment, release, shared, succeeded
from tests.fakes.world import code_of
from tests.unit.rollout.samples import Act, Bench

from deploy_action.config.model import Stop
from deploy_action.errors import (
    DeploymentFailed,
    ErrorCode,
    HostUnreachable,
    Interrupted,
    RollbackFailed,
    SessionLost,
)
from deploy_action.inputs import Secret
from deploy_action.platforms.protocol import ReconcileResult
from deploy_action.releases.model import HostOutcome, Kind, State
from deploy_action.results.notes import NoteCode
from deploy_action.rollout.context import RolloutContext
from deploy_action.rollout.plan import Plan, draft_plan
from deploy_action.rollout.undo import outcomes, undo, what_to_restore

FAILED = DeploymentFailed("bad", cause="exit code 1", code=ErrorCode.REPLICA_EXITED)


def plan_over(live: str | None, drain_seconds: float = 30.0) -> Plan:
    configuration = environment(stop=Stop(drain_seconds=drain_seconds))
    entries = shared() if live is None else shared(succeeded(1, live))
    return draft_plan(Kind.DEPLOY, release("2.0.0", configuration), entries, ["a", "b"])


def test_what_served_before_is_restored() -> None:
    """With the ids that may be kept, the secrets of this rollout, and an awaited end."""
    plan, secrets = plan_over("1.0.0"), {"TOKEN": Secret("x")}
    desired = what_to_restore(plan, secrets, FAILED)["a"]
    assert desired.deployment == succeeded(1, "1.0.0")
    assert desired.succeeded == (release("1.0.0").id,)
    assert desired.secrets == secrets
    assert desired.wait_for_exit


def test_where_nothing_served_the_service_is_taken_off() -> None:
    """A first deployment has nothing to go back to."""
    desired = what_to_restore(plan_over(None), {}, FAILED)["b"]
    assert (desired.deployment, desired.succeeded) == (None, ())


@pytest.mark.parametrize(
    ("error", "limit", "seconds"),
    [
        (FAILED, 30.0, 30.0),
        (HostUnreachable("a"), 30.0, 30.0),
        (Interrupted("SIGTERM"), 30.0, 2.0),
        (KeyboardInterrupt(), 30.0, 2.0),
        (ZeroDivisionError(), 30.0, 2.0),
        (Interrupted("SIGTERM"), 0.5, 0.5),
    ],
)
def test_after_a_signal_requests_in_flight_get_a_few_seconds(
    error: BaseException, limit: float, seconds: float
) -> None:
    """GitHub kills the job soon; a failure has all the time that is configured."""
    desired = what_to_restore(plan_over("1.0.0", limit), {}, error)
    assert [one.drain_seconds for one in desired.values()] == [seconds, seconds]


def test_a_host_that_could_not_be_restored_is_unknown() -> None:
    """The others are restored."""
    result = ReconcileResult(failures={"b": HostUnreachable("b")})
    assert outcomes(plan_over("1.0.0"), result) == {
        "a": HostOutcome.RESTORED,
        "b": HostOutcome.UNKNOWN,
    }


def begun(bench: Bench, store: Any, **given: Any) -> RolloutContext[Any]:
    """Return the context of a rollout of 2.0.0 that has just switched."""
    bench.live(succeeded(1, bench.release("1.0.0")))
    plan = bench.plan()
    context = bench.context(store, plan, **given)
    context.journal.begin()
    for stage in plan.stages[:2]:
        for step in stage.steps:
            step.run(context)
    assert bench.serving() == ["2.0.0", "2.0.0"]
    return context


def test_every_host_goes_back_and_the_ledger_says_why() -> None:
    """The logs of the failed release are kept for the report."""
    bench = Bench()
    with bench.lock() as store:
        context = begun(bench, store)
        cancel = context.cancel
        undo(bench.platform, store, context, FAILED)
    assert bench.serving() == ["1.0.0", "1.0.0"]
    for host in bench.machines:
        last = bench.entries(host)[-1]
        assert (last.state, last.cause) == (State.FAILED, "bad (exit code 1)")
        assert set(last.hosts.values()) == {HostOutcome.RESTORED}
        assert last.ended_at
    assert set(context.log.logs) == {"2.0.0 on a", "2.0.0 on b"}
    assert cancel.event.is_set()
    assert not context.cancel.event.is_set()


def test_a_host_that_cannot_go_back_needs_a_person() -> None:
    """The others are restored nonetheless, and the ledger names both."""
    bench = Bench()
    with bench.lock() as store:
        context = begun(bench, store)
        bench.machines["a"].broken = True
        with pytest.raises(RollbackFailed) as raised:
            undo(bench.platform, store, context, FAILED)
    assert raised.value.__cause__ is FAILED
    assert bench.serving() == ["2.0.0", "1.0.0"]
    last = bench.entries("b")[-1]
    assert last.state is State.UNRESOLVED
    assert last.hosts == {"a": HostOutcome.UNKNOWN, "b": HostOutcome.RESTORED}


def test_whoever_lost_the_lock_touches_nothing() -> None:
    """Whoever holds it now settles this."""
    bench = Bench()
    with bench.lock() as store:
        context = begun(bench, store)
        bench.machines["a"].holder = None
        before = repr(bench.machines)
        with pytest.raises(SessionLost):
            undo(bench.platform, store, context, FAILED)
    assert repr(bench.machines).replace(repr(store.holder), "None") == before.replace(
        repr(store.holder), "None"
    )


def test_hooks_run_after_the_undo_and_cannot_make_it_worse() -> None:
    """One that fails becomes a note, and the next one runs."""
    bench = Bench()
    ran: list[list[str]] = []

    def tell(_: RolloutContext[Any]) -> None:
        ran.append(bench.serving())

    def fail(_: RolloutContext[Any]) -> None:
        raise DeploymentFailed("no", code=ErrorCode.HOOK_FAILED)

    with bench.lock() as store:
        context = begun(bench, store, on_failure=(Act(call=fail), Act(call=tell)))
        undo(bench.platform, store, context, FAILED)
    assert ran == [["1.0.0", "1.0.0"]]
    assert [code_of(note) for note in context.log.notes] == [NoteCode.HOOK_FAILED]
    assert bench.entries()[-1].state is State.FAILED
