"""Replicas that are waited for: how often they are looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.application import Application
from tests.fakes.process import Process
from tests.fakes.world import make_world

from deploy_action.results.outcome import Result

SLOW_SECONDS = 4.0


def test_a_slow_replica_is_looked_at_less_often_and_found_healthy_as_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking costs its host, and what is late by a tenth is not noticed."""
    world = make_world(tmp_path, monkeypatch)
    world.deployed("1.0.0")
    world.publish(Application(version="4.0.0", ready_seconds=SLOW_SECONDS))
    process = Process()
    done = world.deploy("4.0.0", process)
    assert done.result is Result.DEPLOYED, done.error
    assert done.deployment is not None
    [verify] = [phase for phase in done.deployment.phases if phase.name == "verify"]
    # It has to be healthy several times in a row, too.
    assert verify.end_seconds - verify.start_seconds < 1.5 * SLOW_SECONDS
    assert 10 < sum("session haproxy" in call for call in process.calls) < 60
