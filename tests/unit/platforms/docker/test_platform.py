"""Several hosts under one command: all their locks or none."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.application import Application
from tests.fakes.engine import FakeEngine
from tests.fakes.process import Process
from tests.fakes.world import World, make_world

from deploy_action.commands import perform
from deploy_action.config.model import EdgeOptions
from deploy_action.errors import ErrorCode, ExitCode, HostUnreachable
from deploy_action.events.model import Event, StepStarted, Waiting
from deploy_action.inputs import Inputs
from deploy_action.platforms.docker import platform
from deploy_action.platforms.docker.edge.host import ensure_image, lock_spec
from deploy_action.platforms.docker.lock import Lock, acquire, lock_name
from deploy_action.results.notes import Note
from deploy_action.results.outcome import Outcome, Result

HOSTS = tuple(f"ssh://deploy@{letter}" for letter in "abcd")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Four hosts on which nothing was deployed."""
    return make_world(tmp_path, monkeypatch, hosts=HOSTS)


def hold(world: World, host: str, process: Process) -> Lock:
    """Let somebody else hold the lock of one host."""
    engine, options = FakeEngine(world.machines[host], process), EdgeOptions()
    ensure_image(engine, options)
    labels = {"deploy-action.actor": "grace", "deploy-action.deployment-id": "other"}
    spec = lock_spec(options, lock_name(options.name, "shop", "production"), labels)
    return acquire(engine, spec, wait_seconds=0, clock=world.clock)


def locked(world: World) -> list[str]:
    """Return the hosts that have a lock."""
    return [
        host
        for host, machine in world.machines.items()
        if any(
            c.spec.labels.get("deploy-action.kind") == "lock" for c in machine.containers.values()
        )
    ]


@pytest.mark.parametrize("host", HOSTS)
def test_one_lock_that_somebody_holds_keeps_all_hosts_untouched(world: World, host: str) -> None:
    """Whichever it is: those that were taken are given back, and the next command has them all."""
    other = Process()
    lock = hold(world, host, other)
    refused = world.deploy("1.0.0")
    assert refused.exit_code is ExitCode.LOCK_HELD
    assert refused.error is not None
    assert f"{host}: locked by grace" in refused.error.what
    assert locked(world) == [host]
    assert list(world.replicas()) == []
    lock.release()
    other.ended()
    world.deployed("1.0.0")
    assert list(world.troubles()) == []
    assert len(list(world.replicas())) == len(HOSTS)


def test_a_host_that_does_not_answer_leaves_no_connection_to_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over ssh each is a process and a temporary folder."""
    engines: list[FakeEngine] = []

    def connect(host: str) -> FakeEngine:
        if host == HOSTS[1]:
            raise HostUnreachable(f"{host}: timed out")
        engines.append(world.connect(host))
        return engines[-1]

    monkeypatch.setattr(platform, "connect", connect)
    refused = world.deploy("1.0.0")
    assert refused.error is not None
    assert refused.error.code is ErrorCode.HOST_UNREACHABLE
    assert [engine.closed for engine in engines] == [True, True, True]


def test_status_asks_an_engine_nothing_twice(world: World) -> None:
    """Each question is a round trip to a host that may be far away."""
    world.deployed("1.0.0")
    process = Process()
    world.run("status", process)
    assert process.calls
    assert [call for call, times in Counter(process.calls).items() if times > 1] == []


class Waits:
    """Notes what is waited for, and what was last seen of it."""

    name = "waits"

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def notify(self, event: Event) -> None:
        """Note it."""
        if isinstance(event, Waiting):
            self.seen[event.text] = event.detail

    def close(self, timeout_seconds: float) -> tuple[Note, ...]:
        """Have nothing to add."""
        return ()


def test_whatever_takes_long_says_what_it_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock, and who has it; requests in flight; the way back."""
    world = make_world(tmp_path, monkeypatch)
    world.deployed("1.0.0")

    def waits(version: str, result: Result) -> Waits:
        world.process, told = Process(), Waits()
        given = Inputs(config=tmp_path / "deploy.yaml", version=version, lock_wait_seconds=5)
        done = perform("deploy", given, (told,))
        world.process.ended()
        assert isinstance(done, Outcome)
        assert done.result is result
        return told

    assert (
        "waiting for the last requests of the old replicas" in waits("2.0.0", Result.DEPLOYED).seen
    )
    world.publish(Application(version="3.0.0", ready_seconds=math.inf))
    assert "bringing the previous release back" in waits("3.0.0", Result.FAILED).seen
    other = Process()
    hold(world, next(iter(world.machines)), other)
    assert "grace" in waits("3.0.0", Result.LOCKED).seen["waiting for the lock"]


SMOKE = [{"name": "home", "path": "/"}, {"name": "migrated", "command": ["true"]}]
HOOKS = {
    "pre_deploy": [{"name": "migrate", "run": ["exit", "0"]}],
    "post_deploy": [{"name": "warm-up", "run": ["exit", "0"]}],
}
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "smoke": {"smoke": SMOKE},
    "replicas": {"replicas": 2},
    "canary": {"strategy": {"canary": [10, 50], "pause": "5s"}},
    "stop-first": {"strategy": {"order": "stop-first"}},
    "standby": {"strategy": {"standby": True}},
    "bake": {"bake": "9s"},
    "hooks": {"hooks": HOOKS},
}


class Steps:
    """Notes which steps begin."""

    name = "steps"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def notify(self, event: Event) -> None:
        """Note a step."""
        if isinstance(event, StepStarted):
            self.texts.append(event.text)

    def close(self, timeout_seconds: float) -> tuple[Note, ...]:
        """Have nothing to add."""
        return ()


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_executed_is_what_was_planned(
    shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step of the plan that `--dry-run` shows, in that order, and no other."""
    world = make_world(tmp_path, monkeypatch, **SHAPES[shape])
    world.deployed("1.0.0")
    planned = world.outcome("deploy", version="2.0.0", dry_run=True)
    assert planned.result is Result.PLANNED
    steps = Steps()
    given = Inputs(config=tmp_path / "deploy.yaml", version="2.0.0")
    world.process = Process()
    done = perform("deploy", given, (steps,))
    assert done.exit_code is ExitCode.DONE
    world.process.ended()
    assert sorted(steps.texts) == sorted(planned.plan)
    assert [text for text in planned.plan if steps.texts.count(text) == 1] == [
        text for text in steps.texts if steps.texts.count(text) == 1
    ]
    assert list(world.troubles()) == []


@pytest.mark.parametrize("command", ["deploy", "rollback"])
def test_a_dry_run_makes_no_call_that_changes_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """No lock, no container, no file: it can be asked for while somebody deploys."""
    world = make_world(tmp_path, monkeypatch)
    world.deployed("1.0.0", "2.0.0")
    machine = world.machines["local"]
    before = (machine.created, machine.files(""), dict(machine.images))
    given: dict[str, Any] = {"version": "3.0.0"} if command == "deploy" else {}
    assert world.outcome(command, dry_run=True, **given).result is Result.PLANNED
    assert (machine.created, machine.files(""), dict(machine.images)) == before
    changing = ("create", "start", "stop", "remove", "session put", "session edge", "pull")
    words = [call.removeprefix("local: ") for call in world.process.calls]
    assert [call for call in words if call.startswith(changing)] == []
