"""Several hosts under one command: all their locks or none."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.engine import FakeEngine
from tests.fakes.process import Process
from tests.fakes.world import World, make_world

from deploy_action.config.model import EdgeOptions
from deploy_action.errors import ErrorCode, ExitCode, HostUnreachable
from deploy_action.platforms.docker import connections
from deploy_action.platforms.docker.edge.host import ensure_image, lock_spec
from deploy_action.session.lock import Lock, acquire, lock_name

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

    monkeypatch.setattr(connections, "connect", connect)
    refused = world.deploy("1.0.0")
    assert refused.error is not None
    assert refused.error.code is ErrorCode.HOST_UNREACHABLE
    assert [engine.closed for engine in engines] == [True, True, True]
