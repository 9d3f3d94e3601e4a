"""A release of several roles on Docker hosts: what takes no traffic is not the edge's business."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contract.platforms import HOSTS, DockerBench
from tests.contract.test_platform import deploy, deployed, desired, locked, observed
from tests.fakes.application import Application
from tests.fakes.values import WEB_AND_WORKER
from tests.fakes.world import BACKEND

from deploy_action.parallel import Cancel
from deploy_action.results.outcome import Result
from deploy_action.results.reports import Drift, Monitoring, ReplicaStage, Status


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DockerBench:
    """Two hosts on which web and worker of 1.0.0 and then of 2.0.0 were deployed."""
    made = DockerBench.make(tmp_path, monkeypatch)
    made.world.configure(smoke=[{"name": "home", "path": "/"}], bake="1s")
    deployed(made, *(made.release(version, WEB_AND_WORKER) for version in ("1.0.0", "2.0.0")))
    return made


def assert_worker_has_no_server(bench: DockerBench, version: str, number: int) -> None:
    """Neither in the edge's file nor in the running edge."""
    web = [f"shop_production_{version}_{number}{suffix}" for suffix in ("", "_1")]
    for machine in bench.world.machines.values():
        assert machine.weights(BACKEND) == dict.fromkeys(web, 100)
        [written] = machine.files("edge/haproxy.cfg").values()
        assert b"worker" not in written


def worker_of(bench: DockerBench, version: str) -> list[str]:
    """Return the state and restart policy of a version's workers, host by host."""
    return [
        f"{container.status}, {container.restart}"
        for _, container in bench.world.replicas()
        if container.spec.labels["deploy-action.version"] == version
        and container.spec.labels["deploy-action.role"] == "worker"
    ]


def test_a_worker_is_never_in_the_edge(bench: DockerBench) -> None:
    """It runs to stay, and the one before is stopped and kept."""
    assert_worker_has_no_server(bench, "2.0.0", 2)
    bench.world.settle()
    assert worker_of(bench, "2.0.0") == ["running, unless-stopped"] * 2
    assert worker_of(bench, "1.0.0") == ["exited, no"] * 2


def test_a_failure_brings_the_worker_back_and_leaves_the_edge_as_it_was(
    bench: DockerBench,
) -> None:
    """All roles of the failed release go together."""
    bench.spoil("3.0.0")
    assert deploy(bench, bench.release("3.0.0", WEB_AND_WORKER)).result is Result.FAILED
    assert_worker_has_no_server(bench, "2.0.0", 2)
    assert worker_of(bench, "2.0.0") == ["running, unless-stopped"] * 2
    assert worker_of(bench, "3.0.0") == []


def test_a_worker_that_is_made_anew_stays_out_of_the_edge(bench: DockerBench) -> None:
    """It is healthy by staying up, as nobody can ask it anything."""
    bench.lose(HOSTS[0], "worker")
    seen = observed(bench)
    with locked(bench) as (platform, _):
        done = platform.reconcile(desired(seen, seen.ledger.entries[-1]), Cancel())
    assert done.failures == {}
    assert len(done.notes) == 1
    assert_worker_has_no_server(bench, "2.0.0", 2)
    assert worker_of(bench, "2.0.0") == ["running, unless-stopped"] * 2


def test_the_end_of_an_old_worker_is_waited_for(bench: DockerBench) -> None:
    """Two of them must not go on beside each other; web is only asked to stop."""
    deployed(bench, bench.release("3.0.0", WEB_AND_WORKER))
    assert worker_of(bench, "2.0.0") == ["exited, no"] * 2


def test_commands_that_look_know_the_roles(bench: DockerBench) -> None:
    """A worker without a server in the edge serves, is no drift, and is healthy."""
    bench.world.settle()
    status = bench.world.run("status")
    assert isinstance(status, Status)
    for host in status.hosts:
        stages = sorted(replica.stage for replica in host.replicas)
        assert stages == [ReplicaStage.RETAINED] * 3 + [ReplicaStage.SERVING] * 3
        assert host.version == "2.0.0"
    drift = bench.world.run("drift")
    assert isinstance(drift, Drift)
    assert drift.differences == ()
    monitoring = bench.world.run("monitor")
    assert isinstance(monitoring, Monitoring)
    assert [check for check in monitoring.checks if not check.passed] == []
    assert len([check for check in monitoring.checks if check.name == "health"]) == 6


def test_a_replica_that_is_still_stopping_is_awaited_before_it_starts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waited for the end of the release before; now it is wanted again."""
    bench = DockerBench.make(tmp_path, monkeypatch)
    bench.world.publish(Application(version="1.0.0", stop_seconds=2.0))
    deployed(bench, bench.release("1.0.0"))
    for machine in bench.world.machines.values():
        machine.watched.add(BACKEND)
    deployed(bench, bench.release("2.0.0"))
    stopping = [c for _, c in bench.world.replicas() if (c.status, c.restart) == ("running", "no")]
    assert len(stopping) == len(HOSTS)
    seen = observed(bench)
    with locked(bench) as (platform, _):
        done = platform.reconcile(desired(seen, seen.ledger.entries[0]), Cancel())
    assert done.failures == {}
    bench.world.settle()
    assert [bench.serving(host) for host in HOSTS] == ["1.0.0", "1.0.0"]
    assert bench.world.outages() == []
