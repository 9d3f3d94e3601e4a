"""Several replicas of a release: all of them change, one may die, and the past has a date."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from tests.support.sandbox import Sandbox, docker, until

pytestmark = pytest.mark.docker


def _running(box: Sandbox, version: str) -> list[str]:
    return [name for name in box.serving_containers() if f"_{version}_" in name]


def test_three_replicas_change_together_and_are_brought_back_to_three(box: Sandbox) -> None:
    """Under load: up, down to one less by a death, mended by the same release, and back."""
    box.configure(replicas=3)
    box.deployed("1.0.0")
    with box.load() as stop:
        box.deployed("2.0.0")
        assert len(_running(box, "2.0.0")) == 3
        assert _running(box, "1.0.0") == []
        seen = stop()
    assert seen.lost == 0, f"{seen} {seen.examples}"
    victim = _running(box, "2.0.0")[1]
    docker("stop", "-t", "5", victim)
    until(lambda: _down(box, victim), "the edge has noticed")
    with box.load() as stop:
        box.deployed("2.0.0")
        assert len(_running(box, "2.0.0")) == 3
        back = box.run("rollback")
        assert back.exit_code == 0, back.text
        seen = stop()
    assert seen.lost == 0, f"{seen} {seen.examples}"
    assert len(_running(box, "1.0.0")) == 3
    assert box.run("drift").exit_code == 0


def _down(box: Sandbox, name: str) -> bool:
    (host,) = box.run("status").json["hosts"]
    return any(r["name"] == name and r["state"] == "exited" for r in host["replicas"])


def test_fewer_and_more_replicas_are_releases_too(box: Sandbox) -> None:
    """The same image with another number is deployed, and the rollback restores the number."""
    box.configure(replicas=2)
    box.deployed("1.0.0")
    box.configure(replicas=1)
    with box.load() as stop:
        box.deployed("1.0.0")
        assert len(box.serving_containers()) == 1
        back = box.run("rollback")
        assert back.exit_code == 0, back.text
        seen = stop()
    assert len(box.serving_containers()) == 2
    assert seen.lost == 0, f"{seen} {seen.examples}"


def test_what_was_live_at_a_time_comes_back(box: Sandbox) -> None:
    """`--at` takes the release that was live then, not the newest before it that was begun."""
    for version in ("1.0.0", "2.0.0"):
        box.deployed(version)
    assert box.deploy("3.0.0-broken").exit_code == 4
    first = box.history()[-1]["ended_at"]
    moment = datetime.fromisoformat(first) + timedelta(milliseconds=1)
    done = box.run("rollback", "--at", moment.isoformat())
    assert done.exit_code == 0, done.text
    assert box.serving() == "1.0.0"
    before = box.run("rollback", "--at", (moment - timedelta(days=1)).isoformat())
    assert before.exit_code == 2, before.text
    assert box.serving() == "1.0.0"


def test_a_plan_is_shown_and_nothing_is_done(box: Sandbox) -> None:
    """`plan` and `deploy --dry-run` say the same steps; containers and ledger stay as they are."""
    box.deployed("1.0.0")
    before = (box.containers(), box.history())
    plan = box.run("plan", "--version", "2.0.0")
    dry = box.deploy("2.0.0", "--dry-run")
    assert (plan.exit_code, dry.exit_code) == (0, 0), plan.text + dry.text
    assert plan.json["plan"] == dry.json["plan"]
    assert any("shift 100 %" in str(step) for step in plan.json["plan"])
    assert (box.containers(), box.history()) == before
