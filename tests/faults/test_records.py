"""What was recorded and what is there differ: rows 31, 49 and 51."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.support.sandbox import Sandbox, await_step, docker, kill_group, until

from deploy_action.rollout.step import StepId

pytestmark = pytest.mark.docker

# Read by the deployer's own Python at its start: the wall clock jumps a second later.
JUMP = """\
import time
from datetime import timedelta
from deploy_action.rollout.step import StepId
from deploy_action.clock import SystemClock

begun, now, wall = time.monotonic(), SystemClock.now, time.time

def jumped():
    return {hours} * 3600 if time.monotonic() - begun > 1 else 0

SystemClock.now = lambda self: now(self) + timedelta(seconds=jumped())
time.time = lambda: wall() + jumped()
"""


def test_a_release_that_was_never_finished_is_no_target_of_a_rollback(shop: Sandbox) -> None:
    """Row 31: another release over an unfinished one goes back to what was stable before both."""
    shop.configure(bake="60s")
    process = shop.start("deploy", "--progress-json", "--version", "2.0.0")
    await_step(process, StepId.BAKE)
    kill_group(process)
    process.communicate()
    until(shop.lock_is_free, "the lock frees itself", 5)
    shop.configure(bake=None)
    with shop.load() as stop:
        shop.deployed("2.0.0")
        assert len(shop.containers()) == 2, "what was unfinished is gone"
        done = shop.run("rollback")
        seen = stop()
    assert done.exit_code == 0, done.text
    assert shop.serving() == "1.0.0"
    assert seen.lost == 0, f"{seen} {seen.examples}"
    states = [(e["state"], e["release"]["version"]) for e in shop.history()]
    assert states == [
        ("succeeded", "1.0.0"),
        ("succeeded", "2.0.0"),
        ("failed", "2.0.0"),
        ("succeeded", "1.0.0"),
    ]


@pytest.mark.parametrize("hours", [1, pytest.param(-1, marks=pytest.mark.faults)])
def test_a_clock_that_jumps_in_the_middle_changes_no_deadline_and_no_order(
    shop: Sandbox, tmp_path: Path, hours: int
) -> None:
    """Row 49: an hour forth or back while it deploys; nothing times out, nothing lasts longer."""
    (tmp_path / "jump").mkdir()
    (tmp_path / "jump" / "sitecustomize.py").write_text(JUMP.format(hours=hours))
    path = os.pathsep.join([str(tmp_path / "jump"), os.environ.get("PYTHONPATH", "")])
    shop.configure(env={"READY_AFTER": "1.5"})
    with shop.unbroken():
        done = shop.deploy("2.0.0", env={"PYTHONPATH": path})
        assert done.exit_code == 0, done.text
        newest, oldest = shop.history()
        assert (newest["release"]["version"], oldest["release"]["version"]) == ("2.0.0", "1.0.0")
        assert (newest["ended_at"] > oldest["ended_at"]) == (hours > 0), "the clock did jump"
        assert 1.5 <= newest["duration_seconds"] < 60
        back = shop.run("rollback")
        assert back.exit_code == 0, back.text
        assert shop.serving() == "1.0.0"


@pytest.mark.faults
def test_an_alien_container_is_drift_and_the_next_deployment_takes_it_away(shop: Sandbox) -> None:
    """Row 51: it has our labels and no entry in the ledger."""
    found = json.loads(docker("inspect", shop.containers()[0]))[0]["Config"]["Labels"]
    ours = {k: v for k, v in found.items() if k.startswith("deploy-action.")}
    labels = ours | {"deploy-action.release": "0" * 12, "deploy-action.version": "0.1"}
    name = f"{shop.edge}-alien"
    flags = [part for key, value in labels.items() for part in ("--label", f"{key}={value}")]
    docker("run", "-d", "--name", name, *flags, "deploy-action-demo:2.0.0")
    drift = shop.run("drift")
    assert drift.exit_code == 3, drift.text
    (difference,) = drift.json["differences"]
    assert name in difference["subject"]
    assert (difference["recorded"], difference["found"]) == ("nothing", "running")
    with shop.load() as stop:
        shop.deployed("2.0.0")
        seen = stop()
    assert name not in shop.containers()
    assert seen.lost == 0, f"{seen} {seen.examples}"
    assert shop.run("drift").exit_code == 0


@pytest.mark.faults
def test_an_edge_that_somebody_edited_is_drift_to_the_last_weight(shop: Sandbox) -> None:
    """Row 51: a weight set by hand in the running edge is shown, and deploying again mends it."""
    replica = shop.containers()[0]
    runtime = ("exec", "-i", shop.edge, "sh", "-c")
    stats = docker(
        *runtime, "echo 'show servers state' | socat - UNIX-CONNECT:/state/run/haproxy.sock"
    )
    backend = next(line.split()[1] for line in stats.splitlines() if replica in line.split())
    command = f"set server {backend}/{replica} weight 7"
    docker(*runtime, f"echo '{command}' | socat - UNIX-CONNECT:/state/run/haproxy.sock")
    drift = shop.run("drift")
    assert drift.exit_code == 3, drift.text
    (difference,) = drift.json["differences"]
    assert replica in difference["subject"]
    assert (difference["recorded"], difference["found"]) == ("100", "7")
    shop.deployed("2.0.0")
    assert shop.run("drift").exit_code == 0
