"""A release that ends, restarts or is unhealthy is not called well: status, monitor, promote."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.fakes.application import Application
from tests.fakes.world import World, make_world

from deploy_action.checks.health import explain_instability
from deploy_action.errors import ErrorCode, ExitCode
from deploy_action.platforms.docker.engine.protocol import Container
from deploy_action.results.outcome import Result
from deploy_action.results.reports import Monitoring, Status, Verdict

CRASHING = Application(version="4.0.0", ends_seconds=20.0, exit_code=3)
STAGES = {
    "staging": {"hosts": ["local"]},
    "production": {"hosts": ["local"], "after": "staging", "route": {"port": 8089}},
}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A host with two environments; 4.0.0 ends 20 seconds after each of its starts."""
    made = make_world(tmp_path, monkeypatch, environments=STAGES)
    made.publish(CRASHING)
    return made


def status(world: World) -> Status:
    """Ask for what is live in staging."""
    report = world.run("status", environment="staging")
    assert isinstance(report, Status)
    return report


def monitor(world: World) -> Monitoring:
    """Check what is live in staging."""
    report = world.run("monitor", environment="staging")
    assert isinstance(report, Monitoring)
    return report


def test_a_release_that_dies_later_is_seen_by_status_monitor_and_promote(world: World) -> None:
    """Fault row 56: it was live when it was deployed, and its engine restarts it ever since."""
    assert world.deploy("4.0.0", environment="staging").result is Result.DEPLOYED
    world.clock.sleep(60.0)
    seen = status(world)
    assert seen.result is Verdict.UNHEALTHY
    assert seen.exit_code is ExitCode.GATE_REFUSED
    [replica] = seen.hosts[0].replicas
    assert replica.restarts >= 2
    assert replica.up_since
    assert monitor(world).result is Verdict.UNHEALTHY
    for command, version in (("promote", ""), ("deploy", "4.0.0")):
        refused = world.outcome(command, environment="production", version=version)
        assert refused.exit_code is ExitCode.GATE_REFUSED
        assert refused.error is not None
        assert refused.error.code is ErrorCode.RELEASE_UNSTABLE
    assert [c.spec.name for _, c in world.replicas() if "production" in c.spec.name] == []


def test_a_release_that_stays_up_goes_on(world: World) -> None:
    """The good case of the same commands."""
    assert world.deploy("1.0.0", environment="staging").result is Result.DEPLOYED
    world.clock.sleep(60.0)
    seen = status(world)
    assert (seen.result, seen.hosts[0].replicas[0].restarts) == (Verdict.LIVE, 0)
    assert world.outcome("promote", environment="production").result is Result.DEPLOYED


def test_a_replica_that_somebody_stopped_serves_no_version(world: World) -> None:
    """It keeps its place in the list: what should serve there and does not."""
    assert world.deploy("1.0.0", environment="staging").result is Result.DEPLOYED
    [(machine, container)] = world.replicas()
    machine.end(container, 143)
    seen = status(world)
    assert (seen.result, seen.hosts[0].version) == (Verdict.UNHEALTHY, "")
    assert [r.stage for r in seen.hosts[0].replicas] == ["serving"]


@pytest.mark.parametrize(
    ("restarts", "minutes", "state", "stable"),
    [
        (0, 0, "running", True),
        (1, 1, "running", False),
        (7, 11, "running", True),
        (7, 11, "restarting", False),
        (0, 0, "exited", False),
    ],
)
def test_a_container_is_stable_again_ten_minutes_after_its_last_restart(
    restarts: int, minutes: int, state: str, stable: bool
) -> None:
    """A crash of last week condemns nothing; a loop does."""
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    container = Container(
        id="1",
        name="shop",
        image_id="",
        labels={},
        status=state,  # type: ignore[arg-type]
        restarts=restarts,
        started_at=(now - timedelta(minutes=minutes)).isoformat().replace("+00:00", ".123456789Z"),
    )
    assert (explain_instability(container, now) == "") is stable


def test_the_images_own_healthcheck_counts_only_where_it_is_asked_for(world: World) -> None:
    """A HEALTHCHECK that needs a curl which is not there condemns nothing that answers HTTP."""
    world.publish(Application(version="5.0.0", docker_health="unhealthy"))
    world.configure(bake="2s")
    assert world.deploy("5.0.0", environment="staging").result is Result.DEPLOYED
    assert monitor(world).result is Verdict.HEALTHY
    assert status(world).result is Verdict.LIVE
    world.configure(health={"kind": "docker", "deadline": "2s"})
    done = world.deploy("5.0.0", environment="staging")
    assert done.error is not None
    assert done.error.code is ErrorCode.REPLICA_UNHEALTHY


@pytest.mark.parametrize("pulled", [False, True])
def test_kind_docker_without_a_healthcheck_is_refused_before_anything_starts(
    world: World, pulled: bool
) -> None:
    """The image says so: nobody has to wait for a deadline."""
    if pulled:
        assert world.deploy("1.0.0", environment="staging").result is Result.DEPLOYED
    before = [container.id for _, container in world.replicas()]
    begun = world.clock.monotonic()
    world.configure(health={"kind": "docker", "deadline": "60s"})
    done = world.deploy("1.0.0", environment="staging")
    assert done.error is not None
    assert done.error.code is ErrorCode.NO_HEALTHCHECK
    assert done.exit_code is ExitCode.BAD_INPUT
    assert world.clock.monotonic() - begun < 5
    assert [container.id for _, container in world.replicas()] == before


@pytest.mark.parametrize("previous", [True, False])
def test_a_release_that_dies_two_seconds_after_its_first_good_answer_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, previous: bool
) -> None:
    """Fault row 56: by the watch that every deployment has."""
    world = make_world(tmp_path, monkeypatch, watch=None)
    if previous:
        world.deployed("1.0.0")
    world.publish(Application(version="4.0.0", ends_seconds=2.1, exit_code=3))
    done = world.deploy("4.0.0")
    assert done.result is Result.FAILED
    assert done.error is not None
    assert done.error.code is ErrorCode.REPLICA_EXITED
    assert list(world.troubles()) == []
    versions = {c.spec.labels["deploy-action.version"] for _, c in world.replicas()}
    assert versions == ({"1.0.0"} if previous else set())


def test_a_rollback_to_a_release_that_dies_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollback skips the bake, not the watch."""
    world = make_world(tmp_path, monkeypatch, watch=None, bake="1m")
    world.deployed("1.0.0", "2.0.0")
    for _, container in world.replicas():
        if container.spec.labels["deploy-action.version"] == "1.0.0":
            container.image = dataclasses.replace(
                container.image, application=Application(version="1.0.0", ends_seconds=1.0)
            )
    begun = world.clock.monotonic()
    done = world.outcome("rollback")
    assert done.error is not None
    assert done.error.code is ErrorCode.REPLICA_EXITED
    assert world.clock.monotonic() - begun < 30
    reply = world.machines["local"].through_edge(8088)
    assert (reply and reply.version) == "2.0.0"


def test_the_watch_costs_three_seconds_or_what_deploy_yaml_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And none beside a bake, which is longer."""
    world = make_world(tmp_path, monkeypatch, watch=None)
    taken = {}
    for version, changes in (("1.0.0", {}), ("2.0.0", {"watch": "8s"}), ("3.0.0", {"bake": "20s"})):
        world.configure(**changes)
        done = world.deploy(version)
        assert done.deployment is not None
        taken[version] = {
            phase.name: round(phase.end_seconds - phase.start_seconds)
            for phase in done.deployment.phases
            if phase.name in ("watch", "bake")
        }
    assert taken == {"1.0.0": {"watch": 3}, "2.0.0": {"watch": 8}, "3.0.0": {"bake": 20}}
