"""Whose traffic is moved: that of what serves, and nobody else's."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from deploy_action.config import load
from deploy_action.config.model import Environment, Hsts, Route
from deploy_action.platforms.docker.edge.state import Backend, Server
from deploy_action.platforms.docker.replicas import Placement, backend_for
from deploy_action.platforms.docker.traffic import shift_traffic, with_candidates

CONFIG = """
version: 1
service: shop
image: shop
port: 80
strategy: {canary: [10, 50], standby: true}
bake: 1m
"""


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    (tmp_path / "deploy.yaml").write_text(CONFIG)
    return load(tmp_path / "deploy.yaml").environments["production"]


def _backend(environment: Environment, **weights: int) -> Backend:
    made = backend_for(Placement.of(environment), environment, [])
    assert made is not None
    servers = (
        Server(name=name, address=f"10.0.0.{number}", port=80, weight=weight)
        for number, (name, weight) in enumerate(weights.items())
    )
    return dataclasses.replace(made, servers=tuple(servers))


def _weights(backend: Backend) -> dict[str, int]:
    return {server.name: server.weight for server in backend.servers}


@pytest.mark.parametrize("percent", [10, 50, 100])
def test_what_stands_by_gets_nothing_of_a_canary(environment: Environment, percent: int) -> None:
    """Its share would be taken from what serves, and it is older than that."""
    before = _backend(environment, new=0, old=100, oldest=0)
    moved = _weights(
        shift_traffic(Placement.of(environment), environment, before, {"new"}, percent)
    )
    assert moved["oldest"] == 0
    total = moved["new"] + moved["old"]
    assert moved["new"] / total == pytest.approx(percent / 100, abs=0.01)


def test_what_served_before_steps_in_while_the_new_one_is_watched_and_no_older_one(
    environment: Environment,
) -> None:
    """HAProxy takes the first backup that there is."""
    before = _backend(environment, new=128, old=128, oldest=0)
    moved = shift_traffic(Placement.of(environment), environment, before, {"new"}, 100)
    backups = [server.name for server in moved.servers if server.backup]
    assert len(backups) == 1
    assert backups[0].startswith("old")
    assert not backups[0].startswith("oldest")


def test_clients_meet_the_new_route_with_the_new_release_alone(environment: Environment) -> None:
    """While it is being proven, all that the old release promised holds, and nothing else."""
    old = dataclasses.replace(_backend(environment, old=100), host="a.test")
    route = Route(host="b.test", hosts=("c.test",), hsts=Hsts(preload=True))
    edge = dataclasses.replace(environment.edge, bind=("10.0.0.9",))
    changed = dataclasses.replace(environment, route=route, edge=edge)
    placement = Placement.of(changed)
    beside = with_candidates(placement, changed, old, [])
    assert beside is not None
    assert dataclasses.replace(beside.topology, check=old.check) == old.topology
    switched = shift_traffic(placement, changed, beside, {"new"}, 100)
    assert (switched.host, switched.hosts, switched.bind) == ("b.test", ("c.test",), ("10.0.0.9",))
    assert switched.hsts == "max-age=31536000; preload"
