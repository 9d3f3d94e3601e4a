"""The record of a success: the point of no return, and what must be true before it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.fakes.values import environment, succeeded
from tests.fakes.world import code_of
from tests.unit.rollout.samples import HOSTS, Bench

from deploy_action.checks.request_probe import LossKind, RequestLoss, RequestStats
from deploy_action.config.model import Probe
from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.releases.model import State
from deploy_action.results.notes import NoteCode
from deploy_action.rollout.execute import execute
from deploy_action.rollout.steps.record import Record

LOSS = RequestLoss(kind=LossKind.REFUSED, where="a", detail="refused")


class Counted:
    """A probe that counted this."""

    def __init__(self, sent: int, lost: int) -> None:
        self.counts = RequestStats(sent=sent, lost=lost)
        self.calls: list[str] = []

    def start(self) -> None:
        """Begin."""
        self.calls.append("start")

    def stop(self) -> RequestStats:
        """End."""
        self.calls.append("stop")
        return self.counts

    def stats(self) -> RequestStats:
        """Return the counts."""
        return self.counts

    def ensure_answered(self) -> None:
        """Note that it is asked before the verdict."""
        self.calls.append("ensure")


def context_of(bench: Bench, store: Any, allowed: int, *probes: Counted) -> Any:
    bench.live(succeeded(1, bench.release("1.0.0")))
    configuration = environment(hosts=HOSTS, probe=Probe(lost=allowed))
    plan = dataclasses.replace(bench.plan(), configuration=configuration)
    context = bench.context(store, plan)
    context.probes = list(probes)  # type: ignore[arg-type]
    context.journal.count_requests(context.stats)
    return context


@pytest.mark.parametrize(("lost", "allowed"), [((0, 0), 0), ((1, 1), 2)])
def test_a_release_under_which_no_request_was_lost_is_recorded(
    lost: tuple[int, int], allowed: int
) -> None:
    """The counts of all hosts are added up, and are in the ledger."""
    bench = Bench()
    with bench.lock() as store:
        probes = [Counted(10, count) for count in lost]
        context = context_of(bench, store, allowed, *probes)
        Record().run(context)
    last = bench.entries()[-1]
    assert (last.state, last.requests_sent) == (State.SUCCEEDED, 20)
    assert [probe.calls for probe in probes] == [["ensure"], ["ensure"]]


def test_a_release_under_which_requests_were_lost_is_not() -> None:
    """One more than allowed, of all hosts together."""
    bench = Bench()
    with bench.lock() as store:
        context = context_of(bench, store, 1, Counted(10, 1), Counted(10, 1))
        with pytest.raises(DeploymentFailed) as raised:
            Record().run(context)
    assert raised.value.code is ErrorCode.REQUESTS_LOST
    assert context.journal.deployment.state is State.RUNNING


def test_probes_run_from_the_first_stage_to_the_last() -> None:
    """Also while the previous replicas leave; after a failure they are stopped too."""
    for allowed, state in ((0, State.SUCCEEDED), (-1, State.FAILED)):
        bench = Bench()
        with bench.lock() as store:
            probe = Counted(10, 0)
            context = context_of(bench, store, allowed, probe)
            if allowed < 0:
                with pytest.raises(DeploymentFailed):
                    execute(bench.platform, store, context)
            else:
                execute(bench.platform, store, context)
        assert probe.calls == ["start", "ensure", "stop"]
        assert bench.entries()[-1].state is state


def test_a_request_that_was_lost_within_the_limit_is_a_note() -> None:
    """A success, but not a silent one."""
    bench = Bench()
    with bench.lock() as store:
        context = context_of(bench, store, 1, Counted(10, 0))
        context.probes[0].counts = RequestStats(sent=10, lost=1, losses=(LOSS,))
        done = execute(bench.platform, store, context)
    assert (done.requests_lost, len(done.warnings)) == (1, 1)
    assert [code_of(note) for note in context.log.notes] == [NoteCode.REQUESTS_LOST]
