"""The plan: pure, told in words, and the same whether it is shown or executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.fakes.world import World, make_world

from deploy_action.results.outcome import Result

HOSTS = ("ssh://deploy@a", "ssh://deploy@b")
SMOKE = [{"name": "home", "path": "/"}, {"name": "migrated", "command": ["true"]}]
HOOKS = {
    "pre_deploy": [{"name": "migrate", "run": ["exit", "0"]}],
    "post_deploy": [{"name": "warm-up", "run": ["exit", "0"]}],
}


def planned(world: World, version: str = "2.0.0", command: str = "deploy") -> list[str]:
    """Return the steps that would be done, shortened to what tells them apart."""
    given: dict[str, Any] = {"version": version} if command == "deploy" else {}
    done = world.outcome(command, dry_run=True, **given)
    assert done.result is Result.PLANNED, str(done.error)
    return [line.removeprefix("ssh://deploy@") for line in done.plan]


SHAPES: dict[str, tuple[dict[str, Any], str]] = {
    "plain": ({}, "pull start wait shift record drain"),
    "smoke": ({"smoke": SMOKE}, "pull start wait run shift run record drain"),
    "replicas": ({"replicas": 2}, "pull start start wait wait shift record drain"),
    "canary": (
        {"strategy": {"canary": [10, 50], "pause": "5s"}},
        "pull start wait shift watch shift watch shift record drain",
    ),
    "stop-first": (
        {"strategy": {"order": "stop-first"}},
        "pull stop start wait shift record drain",
    ),
    "standby": ({"strategy": {"standby": True}}, "pull start wait shift record drain"),
    "bake": ({"bake": "9s"}, "pull start wait shift bake: record drain"),
    "hooks": ({"hooks": HOOKS}, "pull run start wait shift run record drain"),
}


def first_words(lines: list[str]) -> str:
    return " ".join(line.split()[0] for line in lines)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_plan_has_the_steps_of_its_shape_in_order(
    shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is executed is what was shown: the journal names the same steps."""
    config, wanted = SHAPES[shape]
    world = make_world(tmp_path, monkeypatch, **config)
    world.deployed("1.0.0")
    lines = planned(world)
    assert first_words(lines) == wanted
    assert world.deploy("2.0.0").error is None
    assert list(world.troubles()) == []


def test_a_first_deployment_stops_nothing_and_says_that_there_is_no_way_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop-first has nothing to stop."""
    world = make_world(tmp_path, monkeypatch, strategy={"order": "stop-first"})
    done = world.outcome("deploy", version="1.0.0", dry_run=True)
    assert first_words(list(done.plan)) == "pull start wait shift record drain"
    assert any("nothing to go back to" in str(note) for note in done.notes)


def test_a_gap_is_announced_with_its_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is surprised by stop-first."""
    world = make_world(tmp_path, monkeypatch, strategy={"order": "stop-first"})
    world.deployed("1.0.0")
    done = world.outcome("deploy", version="2.0.0", dry_run=True)
    assert any("gap of up to 3 s to stop and 5 s to start" in str(note) for note in done.notes)


def test_two_hosts_start_side_by_side_and_switch_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release that fails at the edge of the first host never reaches the second's users."""
    world = make_world(tmp_path, monkeypatch, hosts=HOSTS, smoke=SMOKE)
    world.deployed("1.0.0")
    lines = planned(world)
    switch = [line for line in lines if "shift" in line or "through the edge" in line]
    assert [line[0] for line in switch] == ["a", "a", "b", "b"]
    assert [line[0] for line in lines[:2]] == ["a", "b"]


def test_stop_first_finishes_one_host_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any time at most one host has a gap."""
    world = make_world(tmp_path, monkeypatch, hosts=HOSTS, strategy={"order": "stop-first"})
    world.deployed("1.0.0")
    lines = planned(world)
    shifted = next(n for n, line in enumerate(lines) if line.startswith("a: shift"))
    stopped = next(n for n, line in enumerate(lines) if line.startswith("b: stop"))
    assert shifted < stopped


def test_a_rollback_is_straight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No migration of then, no canary, no waiting; the kept container is started again."""
    config: dict[str, Any] = {"hooks": HOOKS, "bake": "9s", "strategy": {"canary": [10]}}
    world = make_world(tmp_path, monkeypatch, **config)
    world.deployed("1.0.0", "2.0.0")
    lines = planned(world, command="rollback")
    assert first_words(lines) == "start wait shift record drain"
    assert "the kept container shop-production-1.0.0-1" in lines[0]


def test_what_stands_by_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan says what will run beside the new release, and that a rollback starts nothing."""
    world = make_world(tmp_path, monkeypatch, strategy={"standby": True})
    first = world.outcome("deploy", version="1.0.0", dry_run=True)
    assert "standby" not in first.plan[-1]
    world.deployed("1.0.0")
    assert "leave them running on standby" in planned(world)[-1]
    world.deployed("2.0.0")
    back = planned(world, command="rollback")
    assert first_words(back) == "replica wait shift record drain"
    assert "stands by already" in back[0]
    assert "drain and stop" in back[-1]


def test_a_plan_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lock, no container, no file: it can be asked for while somebody deploys."""
    world = make_world(tmp_path, monkeypatch)
    world.deployed("1.0.0")
    machine = world.machines["local"]
    before = (machine.created, machine.files(""), dict(machine.images))
    planned(world)
    assert (machine.created, machine.files(""), dict(machine.images)) == before
    changing = ("create", "start", "stop", "remove", "session put", "session edge", "pull")
    words = [call.removeprefix("local: ") for call in world.process.calls]
    assert [call for call in words if call.startswith(changing)] == []
