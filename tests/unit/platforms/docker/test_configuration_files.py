"""Configuration files that a release brings along: on hosts of tests/fakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.world import World, make_world

from deploy_action.results.outcome import Result

PATH = "/etc/shop/app.conf"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A shop that reads a file of its repository."""
    made = make_world(tmp_path, monkeypatch)
    made.configure(files={PATH: "app.conf"})
    (tmp_path / "app.conf").write_text("workers = 1\n")
    return made


def content(world: World) -> str:
    [running] = [container for _, container in world.replicas() if container.status == "running"]
    return running.files[PATH].decode()


def test_a_changed_file_is_a_release_and_a_rollback_brings_the_old_one_back(world: World) -> None:
    """The same version with another file is deployed; what the repository has now does not matter,
    nor whether the old containers are still there."""
    file = world.directory / "app.conf"
    world.deployed("1.0.0")
    file.write_text("workers = 2\n")
    world.deployed("1.0.0")
    assert content(world) == "workers = 2\n"
    assert world.deploy("1.0.0").result is Result.UNCHANGED
    [machine] = world.machines.values()
    for name, container in list(machine.containers.items()):
        if container.status == "exited" and PATH in container.files:
            del machine.containers[name]
    file.unlink()
    file.write_text("workers = 3\n")
    assert world.outcome("rollback").result is Result.ROLLED_BACK
    world.settle()
    assert content(world) == "workers = 1\n"
    assert list(world.troubles()) == []
