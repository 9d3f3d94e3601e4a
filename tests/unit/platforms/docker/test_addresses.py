"""IpAllocator of replicas that start at one time."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.world import make_world

from deploy_action.errors import DeploymentFailed
from deploy_action.platforms.docker.addresses import IpAllocator

MANY = 16


def test_what_was_given_is_not_given_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what containers have, nor what others were told whose containers are not made yet."""
    world = make_world(tmp_path, monkeypatch, replicas=2)
    world.deployed("1.0.0")
    had = {address for _, c in world.replicas() for address in c.addresses.values()}
    engine = world.connect("local")
    addresses = IpAllocator(subnet=engine.networks()["deploy-action_shop_production"])
    given = {addresses.allocate(engine, "deploy-action_shop_production") for _ in range(MANY)}
    assert len(given) == MANY
    assert len(had) == 2
    assert not given & had


def test_where_there_is_no_network_there_is_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names it and what to look at."""
    engine = make_world(tmp_path, monkeypatch).connect("local")
    with pytest.raises(DeploymentFailed, match="deploy-action has no free address") as refused:
        IpAllocator().allocate(engine, "deploy-action")
    assert "docker network inspect deploy-action" in refused.value.remedy
