"""A service is taken away, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine import FakeEngine
from tests.fakes.process import Fault, Process
from tests.fakes.world import World, make_world

from deploy_action.config.model import EdgeOptions
from deploy_action.errors import ErrorCode, ExitCode
from deploy_action.platforms.docker.edge.host import lock_spec
from deploy_action.platforms.docker.lock import acquire, lock_name
from deploy_action.releases.ledger import current_deployment
from deploy_action.releases.model import Kind, State
from deploy_action.results.outcome import Outcome, Result
from deploy_action.results.reports import History, Status

SHOP: dict[str, Any] = {"service": "shop", "route": {"port": 8088}}
BLOG: dict[str, Any] = {"service": "blog", "route": {"port": 8089}}
HOSTS = ("ssh://deploy@a", "ssh://deploy@b")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two hosts, each with a blog and a shop, which has a kept release too."""
    made = make_world(tmp_path, monkeypatch, hosts=HOSTS)
    made.configure(**BLOG)
    assert made.deploy("1.0.0").result is Result.DEPLOYED
    for machine in made.machines.values():
        machine.watched.add("blog_production")
    made.configure(**SHOP)
    for version in ("1.0.0", "2.0.0"):
        assert made.deploy(version).result is Result.DEPLOYED
    made.settle()
    return made


def state(world: World) -> Any:
    """Return every container and every file."""
    return [
        (
            sorted((c.spec.name, c.status, c.id) for c in machine.containers.values()),
            machine.files(""),
            dict(machine.networks),
        )
        for machine in world.machines.values()
    ]


def services(world: World, host: str) -> list[str]:
    return sorted(
        {
            container.spec.labels["deploy-action.service"]
            for machine, container in world.replicas()
            if machine.name == host
        }
    )


def assert_removed(world: World) -> None:
    """The shop is gone from both hosts, and the blog never stopped serving."""
    for host, machine in world.machines.items():
        assert services(world, host) == ["blog"]
        assert machine.through_edge(8088) is None
        reply = machine.through_edge(8089)
        assert reply is not None
        assert (reply.status, reply.version) == (200, "1.0.0")
        assert not [name for name in machine.files("certs/") if "shop" in name]
        assert list(machine.networks) == ["deploy-action_blog_production"]
        assert current_deployment(world.ledger(host)) is None
    assert world.outages() == []


def test_without_force_nothing_is_changed(world: World) -> None:
    """The plan is shown both ways; who did not say --dry-run gets an exit code that is not 0."""
    before = state(world)
    planned = world.outcome("remove", dry_run=True)
    assert (planned.result, planned.exit_code) == (Result.PLANNED, ExitCode.DONE)
    refused = world.outcome("remove")
    assert refused.exit_code is ExitCode.BAD_INPUT
    assert refused.error is not None
    assert refused.error.code is ErrorCode.NOT_CONFIRMED
    assert state(world) == before
    for host in HOSTS:
        for version in ("1.0.0", "2.0.0"):
            assert any(host in line and version in line for line in planned.plan)


def test_a_service_goes_and_its_ledger_stays(world: World) -> None:
    """Who removed it and why is the newest entry."""
    done = world.outcome("remove", force=True, reason="moved")
    assert (done.result, done.serving) == (Result.REMOVED, "")
    assert_removed(world)
    history = world.run("history")
    assert isinstance(history, History)
    newest = history.deployments[0]
    assert (newest.kind, newest.reason, newest.release.version) == (Kind.REMOVE, "moved", "2.0.0")
    assert [entry.kind for entry in history.deployments[1:]] == [Kind.DEPLOY, Kind.DEPLOY]
    status = world.run("status")
    assert isinstance(status, Status)
    assert status.current is None
    assert status.restorable == ()


def test_after_a_removal_a_deployment_is_the_first_again(world: World) -> None:
    """Numbers go on; there is nothing to roll back to."""
    world.outcome("remove", force=True)
    done = world.deploy("3.0.0")
    assert done.result is Result.DEPLOYED
    assert done.deployment is not None
    assert (done.deployment.number, done.deployment.previous) == (4, "")
    back = world.outcome("rollback")
    assert back.error is not None
    assert back.error.code is ErrorCode.NO_ROLLBACK_TARGET


def test_a_network_of_a_user_or_with_a_users_container_stays(world: World) -> None:
    """Only what a deployment made is removed, and only when nobody uses it."""
    first, second = world.machines.values()
    network = "deploy-action_shop_production"
    first.network_labels[network] = {}
    user = next(c for c in second.containers.values() if "blog" in c.spec.name)
    user.addresses[network] = "10.128.1.99"
    assert world.outcome("remove", force=True).result is Result.REMOVED
    assert network in first.networks
    assert network in second.networks


def test_who_waited_for_a_removal_gets_a_network(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was there when the second command looked, and gone when it had the lock."""
    holder = Process()
    engine = FakeEngine(world.machines[HOSTS[0]], holder)
    labels = {"deploy-action.actor": "grace", "deploy-action.deployment-id": "other"}
    spec = lock_spec(EdgeOptions(), lock_name("deploy-action", "shop", "production"), labels)
    held = acquire(engine, spec, wait_seconds=0, clock=world.clock)
    sleep = world.clock.sleep

    def removed_meanwhile(seconds: float) -> None:
        world.machines[HOSTS[0]].networks.pop("deploy-action_shop_production", None)
        held.release()
        holder.ended()
        sleep(seconds)

    monkeypatch.setattr(world.clock, "sleep", removed_meanwhile)
    assert world.deploy("3.0.0").result is Result.DEPLOYED


def test_a_renamed_service_is_taken_away_by_its_old_name(world: World) -> None:
    """The new name is refused as long as the old one has the place, and the remedy says how."""
    world.configure(service="store")
    refused = world.deploy("2.0.0")
    assert refused.error is not None
    assert refused.error.code is ErrorCode.ROUTE_TAKEN
    assert "remove -e production --service shop" in refused.error.remedy
    assert world.outcome("remove", service="shop", force=True).result is Result.REMOVED
    assert world.deploy("2.0.0").result is Result.DEPLOYED
    assert [services(world, host) for host in HOSTS] == [["blog", "store"]] * 2


def test_what_was_never_there_is_told(world: World) -> None:
    """A typing mistake removes nothing and does not report success."""
    before = state(world)
    done = world.outcome("remove", service="shpo", force=True)
    assert done.exit_code is ExitCode.BAD_INPUT
    assert done.error is not None
    assert done.error.code is ErrorCode.NOTHING_DEPLOYED
    assert state(world) == before


@pytest.mark.parametrize("fault", [Fault.DIES, Fault.LOST])
def test_a_removal_that_is_disturbed_at_any_call_can_be_repeated(
    fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one completes it, or finds that it had not begun; the blog serves all the time.

    Every third call.
    """
    number = -2
    while True:
        number += 3
        made = make_world(tmp_path, monkeypatch)
        made.configure(**BLOG)
        assert made.deploy("1.0.0").result is Result.DEPLOYED
        made.machines["local"].watched.add("blog_production")
        made.configure(**SHOP)
        assert made.deploy("1.0.0").result is Result.DEPLOYED
        process = Process(fault=fault, at=number)
        made.run("remove", process, force=True)
        struck = process.struck
        made.clock.sleep(60)
        again = made.run("remove", force=True)
        assert isinstance(again, Outcome)
        assert again.result in (Result.REMOVED, Result.UNCHANGED), (number, again.error)
        assert services(made, "local") == ["blog"], number
        assert made.machines["local"].through_edge(8088) is None, number
        assert made.outages() == [], number
        assert made.ledger("local")[-1].state is State.SUCCEEDED
        if not struck:
            break
    assert number > 10
