"""The execution of a plan on a platform in memory: order, failures, signals, and what is recorded."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from tests.fakes.platform import MemoryStore
from tests.fakes.values import succeeded
from tests.fakes.world import code_of
from tests.unit.rollout.samples import Bench

from deploy_action.errors import (
    DeploymentFailed,
    ErrorCode,
    Interrupted,
    RollbackFailed,
    SessionLost,
)
from deploy_action.events.model import StepFinished, StepStarted
from deploy_action.interruption import interruptible
from deploy_action.releases.model import HostOutcome, State
from deploy_action.results.notes import NoteCode
from deploy_action.rollout.context import RolloutContext
from deploy_action.rollout.execute import execute
from deploy_action.rollout.step import StepId

START, SHIFT, RECORD, CLEAN_UP = range(4)
"""The stages of the platform in memory."""


@pytest.fixture
def bench() -> Bench:
    """Two hosts on which 1.0.0 is live."""
    made = Bench()
    made.live(succeeded(1, made.release("1.0.0")))
    return made


def fail(_: RolloutContext[Any]) -> None:
    raise DeploymentFailed("broken by the test", code=ErrorCode.HOOK_FAILED)


def lose(_: RolloutContext[Any]) -> None:
    raise SessionLost("the lock is gone")


def test_a_plan_runs_to_its_end(bench: Bench) -> None:
    """Stage by stage, each step told when it begins and when it ends."""
    with bench.lock() as store:
        context = bench.context(store, bench.plan())
        done = execute(bench.platform, store, context)
    assert bench.serving() == ["2.0.0", "2.0.0"]
    assert done.state is State.SUCCEEDED
    assert (done.step, done.step_text) == ("", "")
    assert done.hosts == dict.fromkeys(bench.machines, HostOutcome.DEPLOYED)
    assert [phase.name for phase in done.phases] == ["start", "switch", "record", "clean-up"]
    assert [bench.entries(host)[-1] for host in bench.machines] == [done, done]
    started = [event.step for event in bench.seen.events if isinstance(event, StepStarted)]
    finished = [event.step for event in bench.seen.events if isinstance(event, StepFinished)]
    order = [*[StepId.START] * 2, *[StepId.SHIFT_TRAFFIC] * 2, StepId.RECORD]
    assert started == finished == [*order, *[StepId.CLEAN_UP] * 2]


def test_each_step_is_in_the_journal_before_it_runs(bench: Bench) -> None:
    """So a run that dies tells the next one where it was."""
    written: list[str] = []

    def look(_: RolloutContext[Any]) -> None:
        written.extend(bench.entries(host)[-1].step for host in bench.machines)

    for before in range(RECORD):
        with bench.lock() as store:
            context = bench.context(store, bench.plan(f"2.{before}.0"), before=before, act=look)
            execute(bench.platform, store, context)
    assert written == [StepId.VERIFY] * 2 * RECORD


@pytest.mark.parametrize("before", range(RECORD + 1))
def test_a_failure_at_any_stage_up_to_the_record_is_undone(bench: Bench, before: int) -> None:
    """The very error is raised, and the entry names the step."""
    with bench.lock() as store:
        context = bench.context(store, bench.plan(), before=before, act=fail)
        with pytest.raises(DeploymentFailed) as raised:
            execute(bench.platform, store, context)
    assert raised.value.code is ErrorCode.HOOK_FAILED
    assert bench.serving() == ["1.0.0", "1.0.0"]
    last = bench.entries()[-1]
    assert (last.state, last.step) == (State.FAILED, StepId.VERIFY)
    assert last.hosts == dict.fromkeys(bench.machines, HostOutcome.RESTORED)
    assert len(bench.platform.observe().releases["a"]) == 1


@pytest.mark.parametrize("before", [CLEAN_UP, CLEAN_UP + 1])
def test_a_failure_after_the_record_does_not_undo_a_success(bench: Bench, before: int) -> None:
    """It is live and recorded; a note says that cleaning up was cut short."""
    with bench.lock() as store:
        context = bench.context(store, bench.plan(), before=before, act=fail)
        done = execute(bench.platform, store, context)
    assert done.state is State.SUCCEEDED
    assert bench.serving() == ["2.0.0", "2.0.0"]
    assert [code_of(note) for note in context.log.notes] == [NoteCode.CLEAN_UP_INCOMPLETE]


@pytest.mark.parametrize("before", range(CLEAN_UP + 2))
def test_whoever_loses_the_lock_stops_and_undoes_nothing(bench: Bench, before: int) -> None:
    """The next run settles it: the entry stays as it was last written."""
    with bench.lock() as store:
        context = bench.context(store, bench.plan(), before=before, act=lose)
        with pytest.raises(SessionLost):
            execute(bench.platform, store, context)
    assert context.cancel.event.is_set()
    assert bench.serving() == (["1.0.0"] * 2 if before <= SHIFT else ["2.0.0"] * 2)
    state = State.RUNNING if before <= RECORD else State.SUCCEEDED
    assert bench.entries()[-1].state is state


def test_a_signal_undoes_what_was_done_and_is_passed_on(bench: Bench) -> None:
    """It comes while steps run, and a second one does not stop the undo."""
    reconciled: list[int] = []
    platform = bench.platform

    class Slow(type(platform)):  # type: ignore[misc]
        def reconcile(self, *given: Any) -> Any:
            os.kill(os.getpid(), signal.SIGTERM)
            reconciled.append(1)
            return super().reconcile(*given)

    def interrupt(context: RolloutContext[Any]) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        context.cancel.event.wait(5)

    with bench.lock() as store, interruptible():
        context = bench.context(store, bench.plan(), before=RECORD, act=interrupt)
        with pytest.raises(Interrupted):
            execute(Slow(bench.machines), store, context)
    assert reconciled == [1]
    assert bench.serving() == ["1.0.0", "1.0.0"]
    assert bench.entries()[-1].state is State.FAILED


def test_a_step_that_fails_stops_those_that_have_not_begun(bench: Bench) -> None:
    """The cancellation that all of them share is set."""
    with bench.lock() as store:
        context = bench.context(store, bench.plan(), before=START, act=fail)
        cancel = context.cancel
        with pytest.raises(DeploymentFailed):
            execute(bench.platform, store, context)
    assert cancel.event.is_set()


def test_an_undo_that_fails_is_what_is_raised(bench: Bench) -> None:
    """The first failure is its cause."""
    with bench.lock() as store:
        context = bench.context(store, bench.plan(), before=RECORD, act=fail)
        bench.machines["b"].broken = True
        with pytest.raises(RollbackFailed):
            execute(bench.platform, store, context)
    assert bench.serving() == ["1.0.0", "2.0.0"]
    assert bench.entries()[-1].state is State.UNRESOLVED


def test_a_bug_is_undone_too(bench: Bench) -> None:
    """Whatever a step raises, the release before serves."""

    def bug(_: RolloutContext[Any]) -> None:
        raise ZeroDivisionError

    with bench.lock() as store:
        context = bench.context(store, bench.plan(), before=RECORD, act=bug)
        with pytest.raises(ZeroDivisionError):
            execute(bench.platform, store, context)
    assert bench.serving() == ["1.0.0", "1.0.0"]
    assert bench.entries()[-1].state is State.FAILED


def test_nothing_begins_that_cannot_be_written_down(bench: Bench) -> None:
    """The journal comes first."""

    class Full(MemoryStore):
        def begin(self, deployment: Any) -> None:
            raise DeploymentFailed("no space", code=ErrorCode.DISK_FULL)

    with bench.lock() as store:
        full = Full(store.hosts, store.holder)
        context = bench.context(full, bench.plan())
        with pytest.raises(DeploymentFailed) as raised:
            execute(bench.platform, full, context)
    assert raised.value.code is ErrorCode.DISK_FULL
    assert not [event for event in bench.seen.events if isinstance(event, StepStarted)]
    assert bench.serving() == ["1.0.0", "1.0.0"]
