"""What keeps the images of releases that can be restored: on hosts of tests/fakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.application import Application
from tests.fakes.engine import FakeEngine
from tests.fakes.machine import FakeMachine
from tests.fakes.world import World, make_world

from deploy_action.platforms.docker.retained_images import retained_name
from deploy_action.releases.ledger import decode
from deploy_action.releases.model import State

REPOSITORY = "registry.test/shop"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Staging and production on one host, each of which keeps one former release."""
    made = make_world(tmp_path, monkeypatch, retain=1)
    for version in ("4.0.0", "5.0.0"):
        made.publish(Application(version=version))
    made.configure(
        environments={
            "staging": {"route": {"port": 8089}},
            "production": {"route": {"port": 8088}, "after": "staging"},
        }
    )
    return made


def deploy(world: World, environment: str, *versions: str) -> None:
    """Deploy versions one after the other."""
    for version in versions:
        command = "deploy" if environment == "staging" else "promote"
        done = world.outcome(command, environment=environment, version=version)
        assert done.error is None, str(done.error)


def retained(machine: FakeMachine) -> dict[str, list[str]]:
    """Return the versions whose images are kept by a tag of their own, by environment."""
    found: dict[str, list[str]] = {}
    for environment in ("staging", "production"):
        files = machine.files(f"ledger/shop/{environment}/")
        entries = [decode(content) for path, content in files.items() if path.endswith(".json")]
        releases = {e.release.id: e.release for e in entries if e.state is State.SUCCEEDED}
        found[environment] = sorted(
            release.version
            for release in releases.values()
            if retained_name(REPOSITORY, release.id) in machine.images
        )
    return found


def prune(machine: FakeMachine) -> None:
    """Do what `docker system prune` does: stopped containers, then images without a tag."""
    for container in list(machine.containers.values()):
        if container.status != "running":
            del machine.containers[container.id]
    tagged = {image.id for name, image in machine.images.items() if "@" not in name}
    used = {container.image.id for container in machine.containers.values()}
    for name, image in list(machine.images.items()):
        if image.id not in tagged | used:
            del machine.images[name]


def test_each_environment_names_what_it_can_restore_and_nothing_else(world: World) -> None:
    """The live release and `retain` former ones; older names go."""
    machine = world.machines["local"]
    deploy(world, "staging", "1.0.0", "2.0.0", "3.0.0")
    deploy(world, "production", "3.0.0")
    assert retained(machine) == {"staging": ["2.0.0", "3.0.0"], "production": ["3.0.0"]}
    gone = world.registry[f"{REPOSITORY}:1.0.0"][0]
    assert f"{REPOSITORY}@{gone}" not in machine.images


def test_a_deployment_lists_the_images_of_its_host_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine with many images needs long for the list."""
    listed: list[str] = []
    names = FakeEngine.image_names

    def counted(engine: FakeEngine) -> frozenset[str]:
        listed.append(engine.host)
        return names(engine)

    monkeypatch.setattr(FakeEngine, "image_names", counted)
    deploy(world, "staging", "1.0.0")
    assert listed == ["local"]


def test_what_staging_cleans_up_never_takes_what_production_can_restore(world: World) -> None:
    """Fault row 57: neither does a prune by somebody else; the registry is gone by then."""
    machine = world.machines["local"]
    deploy(world, "staging", "1.0.0")
    deploy(world, "production", "1.0.0")
    deploy(world, "staging", "2.0.0")
    deploy(world, "production", "2.0.0")
    deploy(world, "staging", "3.0.0", "4.0.0", "5.0.0")
    prune(machine)
    assert retained(machine)["production"] == ["1.0.0", "2.0.0"]
    machine.registry = None
    task = world.run("run", environment="production", argv=("exit", "0"))
    assert task is not None
    assert task.exit_code == 0
    done = world.outcome("rollback", environment="production")
    assert done.error is None, str(done.error)
    reply = machine.through_edge(8088)
    assert reply is not None
    assert reply.version == "1.0.0"


def test_the_image_of_a_failed_release_goes_unless_somebody_named_it(world: World) -> None:
    """It was never live, so no rollback needs it."""
    machine = world.machines["local"]
    deploy(world, "staging", "1.0.0")
    for version, named in (("8.0.0", False), ("9.0.0", True)):
        digest = world.publish(Application(version=version, says_version="other"))
        reference = f"{REPOSITORY}@{digest}"
        image = world.registry[reference][1]
        if named:
            machine.images |= {f"{REPOSITORY}:mine": image, reference: image}
        assert world.deploy(version, environment="staging").error is not None
        assert (reference in machine.images) is named


def test_a_release_from_before_its_tags_gets_one_with_the_next_deployment(world: World) -> None:
    """Its kept container says which image it is."""
    machine = world.machines["local"]
    deploy(world, "staging", "1.0.0")
    machine.images = {
        name: i for name, i in machine.images.items() if ":deploy-action-" not in name
    }
    deploy(world, "staging", "2.0.0")
    assert retained(machine)["staging"] == ["1.0.0", "2.0.0"]
