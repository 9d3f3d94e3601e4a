"""Each call of each kind of deployment goes wrong in each way: what must be true is always true.

The loop is over all calls that a deployment makes to engines and sessions, as an undisturbed run
makes them; the hosts are those of tests/fakes, the commands are the real ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.application import Application
from tests.fakes.process import Fault, Process
from tests.fakes.world import World, code_of, make_world

from deploy_action.errors import ExitCode, SessionLost
from deploy_action.results.notes import NoteCode
from deploy_action.results.outcome import Outcome

LEAST_CALLS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A command that is disturbed, on hosts where something serves already."""

    name: str
    config: dict[str, Any] = field(default_factory=dict)
    hosts: tuple[str, ...] = ("local",)
    before: tuple[str, ...] = ("1.0.0",)
    command: str = "deploy"
    becomes: str = "2.0.0"
    gap: bool = False
    """The plan announces a gap."""

    def world(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> World:
        """Make the hosts."""
        world = make_world(directory, monkeypatch, hosts=self.hosts, **self.config)
        for version in ("1.0.0", "2.0.0", "3.0.0"):
            world.publish(Application(version=version, ready_seconds=0.03))
        world.deployed(*self.before)
        return world

    def run(self, world: World, process: Process | None = None) -> Outcome | None:
        """Run the command."""
        version = {"version": self.becomes} if self.command == "deploy" else {}
        answer = world.run(self.command, process, **version)
        assert answer is None or isinstance(answer, Outcome)
        return answer

    @property
    def served(self) -> str:
        """What serves before; empty for a first deployment."""
        return self.before[-1] if self.before else ""


SMOKE = [{"name": "home", "path": "/", "contains": "version"}]
SCENARIOS = [
    Scenario(name="start-first", config={"smoke": SMOKE}),
    Scenario(
        name="stop-first", config={"strategy": {"order": "stop-first"}, "smoke": SMOKE}, gap=True
    ),
    Scenario(name="canary", config={"strategy": {"canary": [10, 50], "pause": "1s"}}),
    Scenario(name="replicas", config={"replicas": 2, "bake": "1s"}),
    Scenario(name="hooks", config={"hooks": {"pre_deploy": [{"name": "m", "run": ["exit", "0"]}]}}),
    Scenario(name="two-hosts", hosts=("ssh://deploy@a", "ssh://deploy@b")),
    Scenario(name="rollback", before=("1.0.0", "2.0.0"), command="rollback", becomes="1.0.0"),
    Scenario(
        name="standby",
        config={"strategy": {"standby": True}, "bake": "1s"},
        before=("1.0.0", "2.0.0"),
        becomes="3.0.0",
    ),
    Scenario(
        name="back-to-standby",
        config={"strategy": {"standby": True}},
        before=("1.0.0", "2.0.0"),
        command="rollback",
        becomes="1.0.0",
    ),
    Scenario(name="names", config={"networks": ["users"]}),
    Scenario(name="first", before=()),
]


def undisturbed(scenario: Scenario, directory: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the calls of a run in which nothing goes wrong."""
    world, process = scenario.world(directory, monkeypatch), Process()
    done = scenario.run(world, process)
    assert done is not None
    assert done.exit_code is ExitCode.DONE, str(done.error)
    assert not list(world.troubles())
    assert len(process.calls) >= LEAST_CALLS
    return process.calls


def worth(calls: list[str]) -> list[int]:
    """Leave out what only repeats: the looks of a wait that follow its second."""
    return [n for n, words in enumerate(calls) if words not in calls[max(0, n - 4) : n - 2]]


def judge(scenario: Scenario, world: World, done: Outcome | None) -> Iterator[str]:
    """Say what is wrong after a disturbed command."""
    if not scenario.gap:
        yield from world.outages()
    if done is None or isinstance(done.error, SessionLost):
        # Nobody is left who could clean up: the next command does.
        return
    if done.exit_code is ExitCode.DONE:
        if NoteCode.CLEAN_UP_INCOMPLETE not in map(code_of, done.notes):
            yield from world.troubles()
        versions = {entries[-1].release.version for entries in map(world.ledger, world.machines)}
        if versions != {scenario.becomes}:
            yield f"it says that it succeeded, but the ledger says {versions}"
        return
    if done.exit_code is not ExitCode.DEPLOYMENT_FAILED:
        yield f"exit code {done.exit_code!r}: {done.error}"
    yield from world.troubles()
    if scenario.served:
        serving = {m.through_edge(8088) for m in world.machines.values()}
        if {reply.version for reply in serving if reply is not None} != {scenario.served}:
            yield f"it failed, but {serving} serves"


def judge_next(scenario: Scenario, world: World) -> Iterator[str]:
    """Say what is wrong after the command that follows, undisturbed."""
    done = world.deploy(scenario.becomes)
    if done.exit_code is not ExitCode.DONE:
        yield f"the next deployment: {done.error}"
    for trouble in (*world.troubles(), *(() if scenario.gap else world.outages())):
        yield f"after the next deployment: {trouble}"
    for reply in (machine.through_edge(8088) for machine in world.machines.values()):
        if reply is None or reply.version != scenario.becomes:
            yield f"after the next deployment {reply} serves"


def disturb(
    scenario: Scenario, fault: Fault, calls: slice, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Let some calls go wrong, each in a run of its own, and return what was wrong then."""
    wrong = []
    for number in worth(undisturbed(scenario, directory, monkeypatch))[calls]:
        world, process = scenario.world(directory, monkeypatch), Process(fault=fault, at=number)
        done = scenario.run(world, process)
        told = [*judge(scenario, world, done), *judge_next(scenario, world)]
        wrong += [f"{fault} at {number} ({process.struck}): {what}" for what in told]
    return wrong


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_whatever_goes_wrong_a_good_release_serves(
    scenario: Scenario, fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The users notice nothing, exit code and ledger are right, the lock is free, nothing is left.

    Every tenth call, from another one on for each way of going wrong and each scenario; all of
    them are tried in `make faults`.
    """
    step = 2 * len(Fault)
    first = (2 * list(Fault).index(fault) + SCENARIOS.index(scenario)) % step
    calls = slice(first, None, step)
    assert disturb(scenario, fault, calls, tmp_path, monkeypatch) == []


@pytest.mark.faults
@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_whatever_goes_wrong_at_any_call_a_good_release_serves(
    scenario: Scenario, fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same, at each and every call: thousands of deployments, minutes of work."""
    assert disturb(scenario, fault, slice(None), tmp_path, monkeypatch) == []
