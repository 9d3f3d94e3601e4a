"""Data at an image's VOLUMEs is never lost without a word: on hosts of tests/fakes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.fakes.application import Application
from tests.fakes.world import World, code_of, make_world

from deploy_action.errors import BadInput, DeploymentFailed, ErrorCode
from deploy_action.results.notes import NoteCode

REPOSITORY = "registry.test/shop"
VOLUMES = ("/data", "/cache")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A shop whose images declare two VOLUMEs, from 2.0.0 on."""
    made = make_world(tmp_path, monkeypatch)
    for version in ("2.0.0", "3.0.0"):
        declare(made, version)
    return made


def declare(world: World, version: str) -> None:
    """Have an image of the registry declare the VOLUMEs."""
    digest, image = world.registry[f"{REPOSITORY}:{version}"]
    declaring = dataclasses.replace(image, volumes=VOLUMES)
    for reference in (f"{REPOSITORY}:{version}", f"{REPOSITORY}@{digest}"):
        world.registry[reference] = (digest, declaring)


def have(world: World, version: str) -> None:
    """Have an image on the host."""
    digest, image = world.registry[f"{REPOSITORY}:{version}"]
    world.machines["local"].images[f"{REPOSITORY}@{digest}"] = image


def anonymous(world: World) -> set[str]:
    """Return the anonymous volumes of the host: the fake names them after their paths."""
    return {name for name in world.machines["local"].volumes if name.startswith("/")}


def test_an_undeclared_volume_is_refused_before_anything_starts(world: World) -> None:
    """Fault row 55: by plan and deploy alike, and by the rollout for an image that is pulled."""
    world.deployed("1.0.0")
    pulled = world.deploy("2.0.0")
    assert isinstance(pulled.error, DeploymentFailed)
    have(world, "3.0.0")
    for dry_run in (True, False):
        done = world.deploy("3.0.0", dry_run=dry_run)
        assert isinstance(done.error, BadInput)
        assert done.error.code is pulled.error.code is ErrorCode.VOLUME_UNDECLARED
        assert "/data, /cache" in done.error.what
    assert [entry.release.version for entry in world.ledger("local")] == ["1.0.0", "2.0.0"]
    assert anonymous(world) == set()
    assert list(world.troubles()) == []


@pytest.mark.parametrize("left_out", ["volumes", "tmpfs"])
def test_every_path_has_to_be_declared(world: World, left_out: str) -> None:
    """A volume, tmpfs and ephemeral count; a mount above or below the path does not."""
    have(world, "2.0.0")
    declared = {"volumes": ["data:/data/"], "tmpfs": ["/cache:size=1m"]}
    world.configure(**{k: v for k, v in declared.items() if k != left_out}, ephemeral=["/data/x"])
    refused = world.deploy("2.0.0")
    assert refused.error is not None
    assert refused.error.code is ErrorCode.VOLUME_UNDECLARED
    world.configure(**declared)
    world.deployed("2.0.0")


def test_ephemeral_data_goes_with_its_container_and_named_data_stays(world: World) -> None:
    """That is what deploy.yaml says."""
    world.configure(volumes=["data:/data"], ephemeral=["/cache"], retain=1)
    world.publish(Application(version="4.0.0"))
    declare(world, "4.0.0")
    world.deployed("2.0.0", "3.0.0", "4.0.0")
    assert len(anonymous(world)) == len(["3.0.0", "4.0.0"])
    assert "data" in world.machines["local"].volumes


def test_a_volume_that_nobody_declared_is_left_and_told(world: World) -> None:
    """The container is from a time before this was refused; a rollback to it is not refused."""
    machine = world.machines["local"]
    world.configure(retain=1)
    world.deployed("1.0.0")
    for reference, image in list(machine.images.items()):
        if reference.startswith(REPOSITORY):
            machine.images[reference] = dataclasses.replace(image, volumes=VOLUMES)
    for _, container in world.replicas():
        container.anonymous_volumes = {path: f"{path}-old" for path in VOLUMES}
        machine.volumes |= dict.fromkeys(("/data-old",), machine.volumes["deploy-action"])
    world.configure(volumes=["data:/data"], ephemeral=["/cache"])
    world.deployed("2.0.0")
    assert world.outcome("rollback").error is None
    done = [world.deploy(version) for version in ("2.0.0", "3.0.0")]
    notes = [note for each in done for note in each.notes if code_of(note) is NoteCode.VOLUME_KEPT]
    assert len(notes) == 1
    assert "/data in volume /data-old" in str(notes[0])
    assert "/data-old" in machine.volumes


def test_the_volumes_of_a_failed_candidate_are_told_apart(world: World) -> None:
    """Ephemeral ones go with it."""
    world.deployed("1.0.0")
    world.publish(Application(version="9.0.0", says_version="other"))
    declare(world, "9.0.0")
    world.configure(ephemeral=list(VOLUMES))
    assert world.deploy("9.0.0").error is not None
    assert anonymous(world) == set()
