"""Secrets that an application reads from files: on hosts of tests/fakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.machine import FakeContainer
from tests.fakes.world import World, make_world

from deploy_action.errors import BadInput, DeploymentFailed, ErrorCode
from deploy_action.results.reports import DifferenceKind, Drift, TaskRun

NAME, PATH = "DATABASE_URL", "/run/secrets/database_url"
OLD, NEW = {NAME: "postgres://old-canary"}, {NAME: "postgres://new-canary"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A shop with one secret in a file."""
    made = make_world(tmp_path, monkeypatch)
    made.configure(secrets=[{"name": NAME, "file": PATH}])
    return made


def deploy(world: World, version: str, environ: dict[str, str]) -> None:
    done = world.deploy(version, environ=environ)
    assert done.error is None, str(done.error)
    world.settle()


def live(world: World) -> FakeContainer:
    [running] = [container for _, container in world.replicas() if container.status == "running"]
    return running


def content(world: World) -> str:
    return live(world).files[PATH].decode()


def test_the_value_is_in_the_file_alone(world: World) -> None:
    """Neither a variable, nor a label, nor the ledger or another file of the edge has it."""
    deploy(world, "1.0.0", OLD)
    assert content(world) == OLD[NAME]
    spec, machine = live(world).spec, world.machines["local"]
    assert "canary" not in f"{spec} {spec.env} {spec.labels}"
    kept = [file for volume in machine.volumes.values() for file in volume.files.values()]
    assert kept
    assert not any(b"canary" in file for file in kept)
    [entry] = world.ledger("local")
    assert entry.release.secrets.keys() == {NAME}
    assert list(world.troubles()) == []


def test_a_rollback_has_the_values_that_variables_would_have(world: World) -> None:
    """Decision 4: kept containers keep theirs, new ones get today's, and none is a refusal."""
    deploy(world, "1.0.0", OLD)
    deploy(world, "2.0.0", NEW)
    assert world.outcome("rollback").error is None
    world.settle()
    assert content(world) == OLD[NAME]
    deploy(world, "3.0.0", NEW)
    assert world.outcome("rollback", to="1.0.0", environ=NEW).error is None
    world.settle()
    assert content(world) == NEW[NAME]
    for _, container in list(world.replicas()):
        if container.status == "exited":
            del world.machines["local"].containers[container.id]
    refused = world.outcome("rollback", to="2.0.0").error
    assert isinstance(refused, DeploymentFailed)
    assert refused.code is ErrorCode.SECRET_MISSING
    assert content(world) == NEW[NAME]


def test_a_moved_file_is_another_release(world: World) -> None:
    """The application would not find it at the old place."""
    deploy(world, "1.0.0", OLD)
    world.configure(secrets=[{"name": NAME, "file": "/run/secrets/other"}])
    deploy(world, "1.0.0", OLD)
    assert live(world).files == {"/run/secrets/other": OLD[NAME].encode()}
    world.configure(secrets=[NAME])
    deploy(world, "1.0.0", OLD)
    assert (live(world).files, live(world).spec.env[NAME]) == ({}, OLD[NAME])


def test_a_volume_for_files_goes_with_the_last_container_that_needs_it(world: World) -> None:
    """A read-only root has no other place for them."""
    world.configure(read_only=True, retain=1)
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        deploy(world, version, OLD)
    volumes = world.machines["local"].volumes
    assert len([name for name in volumes if name.startswith("/run/secrets")]) == 2
    assert world.outcome("remove", force=True).error is None
    assert not [name for name in volumes if name.startswith("/run/secrets")]


def test_a_volume_for_files_goes_though_other_data_is_kept(world: World) -> None:
    """What an old container wrote into an undeclared volume is kept, the secrets are not."""
    world.configure(read_only=True, retain=1)
    deploy(world, "1.0.0", OLD)
    old, machine = live(world), world.machines["local"]
    old.anonymous_volumes["/data"] = "data-of-old"
    machine.volumes["data-of-old"] = type(machine.volumes["deploy-action"])()
    secret = old.anonymous_volumes["/run/secrets"]
    deploy(world, "2.0.0", OLD)
    deploy(world, "3.0.0", OLD)
    assert "data-of-old" in machine.volumes
    assert secret not in machine.volumes


def test_a_task_takes_the_value_from_the_live_container(world: World) -> None:
    """Like one that is a variable; if it is in neither place, it is refused."""
    deploy(world, "1.0.0", OLD)
    assert isinstance(world.run("run", argv=("true",)), TaskRun)
    live(world).files.clear()
    refused = world.run("run", argv=("true",))
    assert refused is not None
    error = getattr(refused, "error", None)
    assert isinstance(error, BadInput)
    assert error.code is ErrorCode.SECRET_MISSING


def test_drift_tells_a_file_that_is_gone(world: World) -> None:
    """Its name and path, no value."""
    deploy(world, "1.0.0", OLD)
    seen = world.run("drift")
    assert isinstance(seen, Drift)
    assert seen.differences == ()
    live(world).files.clear()
    seen = world.run("drift")
    assert isinstance(seen, Drift)
    assert [difference.kind for difference in seen.differences] == [DifferenceKind.REPLICA_CHANGED]
