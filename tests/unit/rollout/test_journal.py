"""The journal: what is written, on which hosts, and in which order."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

import pytest
from tests.fakes.clock import FakeClock
from tests.fakes.values import deployment, environment, release, shared, succeeded
from tests.fakes.world import code_of
from tests.unit.rollout.samples import Act

from deploy_action.checks.request_probe import RequestStats
from deploy_action.errors import DeploymentFailed, HostUnreachable
from deploy_action.releases.model import Deployment, HostOutcome, Kind, State
from deploy_action.results.notes import NoteCode
from deploy_action.rollout.journal import Journal
from deploy_action.rollout.log import RolloutLog
from deploy_action.rollout.plan import Plan, Stage, draft_plan

HOSTS = ("a", "b", "c")


class Store:
    """Notes what is written."""

    def __init__(self) -> None:
        self.begun: list[Deployment] = []
        self.written: list[tuple[Deployment, set[str] | None]] = []
        self.unreachable: set[str] = set()

    def begin(self, entry: Deployment) -> None:
        """Note the first entry."""
        self.begun.append(entry)

    def write(self, entry: Deployment, *, hosts: Collection[str] | None = None) -> None:
        """Note an entry."""
        if hosts is not None and self.unreachable & set(hosts):
            raise HostUnreachable(f"{hosts}: no answer")
        self.written.append((entry, None if hosts is None else set(hosts)))

    def hosts_of(self, state: State) -> list[set[str] | None]:
        """Return where entries of a state were written, in order."""
        return [hosts for entry, hosts in self.written if entry.state is state]


def stage(*hosts: str, text: str = "look") -> Stage:
    return Stage(
        name="s", steps=tuple(Act(call=lambda _: None, host=host, text=text) for host in hosts)
    )


def plan(*stages: Stage) -> Plan:
    target = release("2.0.0", environment(hosts=HOSTS))
    draft = draft_plan(Kind.DEPLOY, target, shared(succeeded(1)), HOSTS)
    return dataclasses.replace(draft, stages=stages)


def journal(store: Any, of: Plan) -> tuple[Journal, RolloutLog, FakeClock]:
    clock = FakeClock()
    log = RolloutLog(clock=clock, begun=clock.monotonic())
    return Journal(store, of, deployment(2, of.release), clock=clock, log=log), log, clock


def test_the_first_entry_names_the_first_step() -> None:
    """It is running, and written before anything changes."""
    store = Store()
    made, _, _ = journal(store, plan(stage("a", text="pull"), stage("b")))
    made.begin()
    [entry] = store.begun
    assert (entry.state, entry.step, entry.step_text) == (State.RUNNING, "verify", "pull")
    assert made.deployment == entry
    assert store.written == []


def test_a_stage_is_announced_on_its_hosts() -> None:
    """By its first step; one without a host is announced everywhere."""
    store = Store()
    made, _, _ = journal(store, plan(stage("a", text="first")))
    made.begin()
    for each in (stage("a", "b", text="second"), stage("", text="third")):
        announce = made.announce(each)
        assert announce is not None
        announce()
    assert [(entry.step_text, hosts) for entry, hosts in store.written] == [
        ("second", {"a", "b"}),
        ("third", None),
    ]


def test_what_is_written_already_is_not_written_again() -> None:
    """The first stage is in the first entry, and after a success nothing is announced."""
    store = Store()
    made, _, _ = journal(store, plan(stage("a", text="first")))
    made.begin()
    assert made.announce(stage("a", text="first")) is None
    made.succeed()
    assert made.announce(stage("a", text="clean up")) is None


def test_the_first_hosts_record_is_the_point_of_no_return() -> None:
    """It is written alone and first; where another one fails the release is live all the same."""
    store = Store()
    made, _, clock = journal(store, plan(stage("a")))
    made.begin()
    clock.sleep(7)
    made.succeed()
    assert store.hosts_of(State.SUCCEEDED) == [{"a"}, {"b", "c"}]
    done = made.deployment
    assert (done.step, done.step_text, done.cause) == ("", "", "")
    assert done.hosts == dict.fromkeys(HOSTS, HostOutcome.DEPLOYED)
    assert done.duration_seconds == pytest.approx(7, abs=0.01)
    assert done.ended_at


@pytest.mark.parametrize(("host", "state"), [("a", State.RUNNING), ("b", State.SUCCEEDED)])
def test_a_record_that_cannot_be_written(host: str, state: State) -> None:
    """On the first host nothing has succeeded, on another one it has."""
    store = Store()
    made, _, _ = journal(store, plan(stage("a")))
    store.unreachable = {host}
    with pytest.raises(DeploymentFailed):
        made.succeed()
    assert made.deployment.state is state


def test_a_failure_is_recorded_wherever_that_is_possible() -> None:
    """Where it is not becomes a note."""
    store = Store()
    made, log, _ = journal(store, plan(stage("a", text="first")))
    made.begin()
    store.unreachable = {"b"}
    hosts = dict.fromkeys(HOSTS, HostOutcome.RESTORED)
    made.fail(State.FAILED, "bad", hosts)
    assert store.hosts_of(State.FAILED) == [{"a"}, {"c"}]
    assert (made.deployment.cause, made.deployment.step_text) == ("bad", "first")
    assert made.deployment.hosts == hosts
    [note] = log.notes
    assert (code_of(note), str(note)[:3]) == (NoteCode.LEDGER_NOT_WRITTEN, "b: ")


def test_an_entry_tells_what_was_seen_so_far() -> None:
    """Timeline, notes and counted requests, until the very end."""
    store = Store()
    made, log, clock = journal(store, plan(stage("a")))
    assert (made.current().requests_sent, made.current().requests_lost) == (None, None)
    made.count_requests(lambda: RequestStats(sent=10, lost=1))
    with log.phase("start", "a"):
        clock.sleep(2)
    made.succeed()
    log.note("late")
    made.finish()
    last, hosts = store.written[-1]
    assert (last.requests_sent, last.requests_lost, last.warnings) == (10, 1, ("late",))
    assert [phase.name for phase in last.phases] == ["start"]
    assert (last.state, hosts, made.deployment) == (State.SUCCEEDED, None, last)
