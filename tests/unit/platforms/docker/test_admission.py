"""Replicas that start while the edge is told of them: what comes between the two."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.engine import FakeEngine
from tests.fakes.world import make_world

from deploy_action.errors import ErrorCode
from deploy_action.platforms.docker.engine.error_hints import engine_error
from deploy_action.results.outcome import Result


@pytest.mark.parametrize("replicas", [1, 3])
def test_an_address_that_somebody_took_first_is_replaced_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replicas: int
) -> None:
    """The edge, which was told of the first one, gets to know the second."""
    world = make_world(tmp_path, monkeypatch, replicas=replicas)
    world.deployed("1.0.0")
    start = FakeEngine.start
    refused: list[str] = []

    def taken_once(engine: FakeEngine, container_id: str) -> None:
        found = engine.machine.find(container_id)
        if found is not None and "2.0.0" in found.spec.name and not refused:
            refused.append(found.addresses["deploy-action_shop_production"])
            raise engine_error(engine.host, "start", "Address already in use")
        start(engine, container_id)

    monkeypatch.setattr(FakeEngine, "start", taken_once)
    done = world.deploy("2.0.0")
    assert done.result is Result.DEPLOYED, done.error
    assert len(refused) == 1
    world.settle()
    running = [c for _, c in world.replicas() if c.status == "running"]
    assert len(running) == replicas
    assert refused[0] not in {c.addresses["deploy-action_shop_production"] for c in running}
    assert list(world.troubles()) == []
    assert world.outages() == []


def test_addresses_that_are_always_taken_end_the_deployment_and_not_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not tried for ever, and nothing is left."""
    world = make_world(tmp_path, monkeypatch)
    world.deployed("1.0.0")
    start = FakeEngine.start

    def always_taken(engine: FakeEngine, container_id: str) -> None:
        found = engine.machine.find(container_id)
        if found is not None and "2.0.0" in found.spec.name:
            raise engine_error(engine.host, "start", "Address already in use")
        start(engine, container_id)

    monkeypatch.setattr(FakeEngine, "start", always_taken)
    done = world.deploy("2.0.0")
    assert done.result is Result.FAILED
    assert done.error is not None
    assert done.error.code is ErrorCode.ADDRESS_IN_USE
    assert [c.spec.name for _, c in world.replicas() if "2.0.0" in c.spec.name] == []
    assert list(world.troubles()) == []
    assert world.outages() == []
