"""Nothing of another service is taken, whatever the names are."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine import FakeEngine
from tests.fakes.haproxy import FakeHaproxy
from tests.fakes.world import World, make_world

from deploy_action.checks.result import CheckFailureKind
from deploy_action.errors import ErrorCode
from deploy_action.platforms.docker.engine.protocol import ContainerSpec, NetworkSpec
from deploy_action.results.outcome import Outcome, Result
from deploy_action.results.reports import Monitoring


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A host on which shop is live in production."""
    made = make_world(tmp_path, monkeypatch)
    made.deployed("1.0.0")
    return made


def state(world: World) -> tuple[Any, ...]:
    """Return every container, and the edge's configuration."""
    machine = world.machines["local"]
    return (
        sorted((c.spec.name, c.status, c.id) for c in machine.containers.values()),
        machine.files("edge/"),
    )


@pytest.mark.parametrize(
    ("route", "code"),
    [
        ({"port": 8088}, ErrorCode.ROUTE_TAKEN),
        ({"port": 8088, "path": "/"}, ErrorCode.ROUTE_TAKEN),
        ({"port": 8088, "redirect_from": ["www.example.com"], "hosts": ["other.test"]}, None),
        ({"port": 8088, "path": "/api"}, None),
        ({"port": 8088, "host": "other.example.com"}, None),
        ({"port": 8089}, None),
    ],
)
def test_a_place_that_another_service_has_is_refused_before_anything_starts(
    world: World, route: dict[str, Any], code: ErrorCode | None
) -> None:
    """The refusal names the holder; the plan says it too. A more specific place is free."""
    world.configure(service="other", route=route)
    before = state(world)
    for dry_run in (True, False):
        done = world.run("deploy", version="1.0.0", dry_run=dry_run)
        assert isinstance(done, Outcome)
        if code is None:
            assert done.error is None
        else:
            assert done.error is not None
            assert done.error.code is code
            assert "shop (production)" in done.error.what
            assert state(world) == before


def test_names_that_join_to_the_same_are_two_services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """shop in api-production and shop-api in production live side by side."""
    world = make_world(tmp_path, monkeypatch, environments={"api-production": {}})
    assert world.deploy("1.0.0").result is Result.DEPLOYED
    machine = world.machines["local"]
    first = [c.id for c in machine.containers.values() if c.status == "running"]
    world.configure(
        service="shop-api", environments={"production": {}}, route={"port": 8089}, retain=1
    )
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        assert world.deploy(version).result is Result.DEPLOYED
    still = [c.id for c in machine.containers.values() if c.status == "running"]
    assert set(first) <= set(still)
    replies = [machine.through_edge(port) for port in (8088, 8089)]
    assert [reply.version for reply in replies if reply is not None] == ["1.0.0", "3.0.0"]


def test_monitor_notices_that_something_else_answers(world: World) -> None:
    """Nobody has to configure anything for it."""
    report = world.run("monitor")
    assert isinstance(report, Monitoring)
    [route] = [check for check in report.checks if check.name == "route"]
    assert route.passed
    for volume in world.machines["local"].volumes.values():
        assert volume.haproxy is not None
        volume.haproxy.tokens.clear()
    report = world.run("monitor")
    assert isinstance(report, Monitoring)
    [route] = [check for check in report.checks if check.name == "route"]
    assert route.failure_kinds == (CheckFailureKind.SERVED_ELSEWHERE,)


NAMES = {"port": 8088, "hosts": ["a.test", "b.test"], "redirect_from": ["www.a.test"]}


def test_every_name_is_proven_and_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment asks for each once; monitor says at which one somebody else answers."""
    world = make_world(tmp_path, monkeypatch, route=NAMES)
    world.deployed("1.0.0")
    report = world.run("monitor")
    assert isinstance(report, Monitoring)
    assert [c.passed for c in report.checks if c.name == "route"] == [True] * 3
    for volume in world.machines["local"].volumes.values():
        assert volume.haproxy is not None
        volume.haproxy.redirects["shop_production.redirect"] = "https://evil.test"
        routes = volume.haproxy.frontends[8088]
        routes[:] = [route for route in routes if route.name != "b.test"]
    report = world.run("monitor")
    assert isinstance(report, Monitoring)
    failed = {c.where: c.failure_kinds for c in report.checks if not c.passed}
    assert failed == {
        "edge of local, b.test": (CheckFailureKind.SERVED_ELSEWHERE,),
        "edge of local, www.a.test": (CheckFailureKind.WRONG_STATUS,),
    }


def test_a_name_that_leads_elsewhere_is_not_called_live(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release is undone, and what served serves."""
    load = FakeHaproxy.load

    def without_b(haproxy: FakeHaproxy, text: str) -> None:
        load(haproxy, text.replace("'b.test' 'b.test.'", "'c.test'"))

    monkeypatch.setattr(FakeHaproxy, "load", without_b)
    world.configure(route=NAMES)
    done = world.deploy("2.0.0")
    assert done.error is not None
    assert done.error.code is ErrorCode.ROUTE_NOT_SERVED
    assert "b.test" in done.error.what
    reply = world.machines["local"].through_edge(8088)
    assert reply is not None
    assert reply.version == "1.0.0"


def test_each_service_has_a_network_of_its_own(world: World) -> None:
    """Its replicas, hooks and tasks are on it, and on no other one; nor is the network's range."""
    world.configure(
        service="blog",
        route={"port": 8089},
        hooks={"pre_deploy": [{"name": "migrate", "run": ["sh", "-c", "exit 0"]}]},
    )
    seen: set[str] = set()
    create = FakeEngine.create

    def noting(engine: FakeEngine, spec: ContainerSpec) -> str:
        if spec.labels.get("deploy-action.service") == "blog":
            seen.update(network.name for network in spec.networks)
        return create(engine, spec)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeEngine, "create", noting)
        assert world.deploy("1.0.0").result is Result.DEPLOYED
    assert seen == {"deploy-action_blog_production"}
    machine = world.machines["local"]
    assert machine.networks == {
        "deploy-action_shop_production": "10.128.0.0/24",
        "deploy-action_blog_production": "10.128.1.0/24",
    }


def test_replicas_from_before_stay_where_they_are(world: World) -> None:
    """Once all services shared the edge's network: the edge reaches those until they are gone."""
    machine = world.machines["local"]
    machine.networks = {"deploy-action": "10.64.0.0/20"}
    for container in machine.containers.values():
        if container.spec.labels.get("deploy-action.kind") == "replica":
            container.addresses = {"deploy-action": "10.64.0.2"}
            container.spec = dataclasses.replace(
                container.spec, networks=(NetworkSpec(name="deploy-action", address="10.64.0.2"),)
            )
            volume = machine.volumes["deploy-action"]
            edge = "edge/haproxy.cfg"
            volume.files[edge] = volume.files[edge].replace(b"10.128.0.2", b"10.64.0.2")
    assert world.deploy("1.0.0").result is Result.UNCHANGED
    assert world.deploy("2.0.0").result is Result.DEPLOYED
    assert world.outcome("rollback").result is Result.ROLLED_BACK
    assert list(world.troubles()) == []
