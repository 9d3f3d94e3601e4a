"""A service has one name on users' networks, which never leads to what does not serve."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.application import Application
from tests.fakes.machine import FakeContainer, FakeMachine
from tests.fakes.world import World, code_of, make_world

from deploy_action.errors import ErrorCode, ExitCode
from deploy_action.platforms.docker.engine.protocol import ContainerSpec, NetworkSpec
from deploy_action.results.notes import NoteCode
from deploy_action.results.outcome import Outcome, Result
from deploy_action.results.reports import Monitoring

NETWORK = "backend"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A host with a network of its user's."""
    return make_world(tmp_path, monkeypatch, networks=[NETWORK])


def answers(world: World, name: str = "shop") -> list[str]:
    """Return the versions that answer by a name."""
    replies = world.machines["local"].by_name(NETWORK, name)
    return ["nobody" if reply is None else reply.version for reply in replies]


def carriers(machine: FakeMachine) -> list[FakeContainer]:
    """Return the containers that carry names."""
    found = machine.containers.values()
    return [c for c in found if c.spec.labels.get("deploy-action.kind") == "name"]


def stranger(world: World, name: str) -> None:
    """Start a container of somebody else's that has a name on the network."""
    machine = world.machines["local"]
    engine = world.connect("local")
    image = next(iter(machine.images), None) or "tool"
    if image == "tool":
        engine.build_image(image, "")
    network = NetworkSpec(name=NETWORK, aliases=(name,))
    engine.start(engine.create(ContainerSpec(name="theirs", image=image, networks=(network,))))


def test_the_name_leads_to_the_release_that_serves(world: World) -> None:
    """Through deployments, a failure, a rollback; its container stays the same all the while."""
    world.deployed("1.0.0")
    [first] = carriers(world.machines["local"])
    # It shares a volume with certificates and ledgers, which are root's.
    assert first.spec.user == "65534:65534"
    assert first.spec.binds == ("deploy-action:/state:ro",)
    seen = [answers(world)]
    world.deployed("2.0.0")
    seen.append(answers(world))
    world.publish(Application(version="4.0.0", ready_seconds=float("inf")))
    assert world.deploy("4.0.0").error is not None
    seen.append(answers(world))
    assert world.outcome("rollback").error is None
    seen.append(answers(world))
    assert seen == [["1.0.0"], ["2.0.0"], ["2.0.0"], ["1.0.0"]]
    assert [c.id for c in carriers(world.machines["local"])] == [first.id]
    assert list(world.troubles()) == []


@pytest.mark.parametrize("after", [{"networks": None}, {"network_alias": False}])
def test_a_name_goes_with_what_asked_for_it(world: World, after: dict[str, Any]) -> None:
    """And comes back with a rollback."""
    world.deployed("1.0.0")
    world.configure(**after)
    world.deployed("2.0.0")
    assert carriers(world.machines["local"]) == []
    assert world.outcome("rollback").error is None
    assert answers(world) == ["1.0.0"]


def test_another_name_and_another_port_replace_it(world: World) -> None:
    """The name from before is free then; a failure brings it back."""
    world.deployed("1.0.0")
    world.configure(network_alias="api")
    world.deployed("2.0.0")
    assert (answers(world), answers(world, "api")) == ([], ["2.0.0"])


def test_a_name_that_somebody_has_is_not_taken(world: World) -> None:
    """One that deploy.yaml asks for is refused before anything starts; the default is left out."""
    stranger(world, "shop")
    done = world.deploy("1.0.0")
    assert done.error is None
    assert carriers(world.machines["local"]) == []
    world.configure(network_alias="shop")
    before = len(world.machines["local"].containers)
    done = world.deploy("2.0.0")
    assert done.error is not None
    assert done.error.code is ErrorCode.NAME_TAKEN
    assert "theirs" in done.error.what
    assert len(world.machines["local"].containers) == before
    assert list(world.troubles()) == []


def test_an_undo_goes_without_a_name_that_somebody_took(world: World) -> None:
    """The release before serves, and the report says what it lacks."""
    world.configure(network_alias="api")
    world.deployed("1.0.0")
    machine = world.machines["local"]
    world.connect("local").remove(carriers(machine)[0].id)
    stranger(world, "api")
    world.configure(network_alias=False)
    world.publish(Application(version="4.0.0", ready_seconds=float("inf")))
    done = world.deploy("4.0.0")
    assert done.exit_code is ExitCode.DEPLOYMENT_FAILED
    assert NoteCode.NETWORK_NAME_TAKEN in map(code_of, done.notes)
    assert machine.through_edge(8088).version == "1.0.0"  # type: ignore[union-attr]


def test_two_environments_do_not_share_a_name(world: World) -> None:
    """The first has it, whatever the second is."""
    world.deployed("1.0.0")
    world.configure(service="shop", environments={"staging": {}}, route={"port": 8089})
    done = world.outcome("deploy", version="2.0.0", environment="staging")
    assert done.result is Result.DEPLOYED, done.error
    assert answers(world) == ["1.0.0"]
    assert NoteCode.NETWORK_NAME_TAKEN in map(code_of, done.notes)


def test_a_name_that_leads_nowhere_is_noticed(world: World) -> None:
    """By monitor; a deployment that finds it so is undone."""
    world.deployed("1.0.0")
    machine = world.machines["local"]
    report = world.run("monitor")
    assert isinstance(report, Monitoring)
    assert [c.passed for c in report.checks if NETWORK in c.where] == [True]
    carriers(machine)[0].status = "exited"
    report = world.run("monitor")
    assert isinstance(report, Monitoring)
    assert [NETWORK in c.where for c in report.checks if not c.passed] == [True]
    world.connect("local").start(carriers(machine)[0].id)
    spec = carriers(machine)[0].spec
    carriers(machine)[0].spec = dataclasses.replace(spec, env={})
    done = world.deploy("2.0.0")
    assert done.error is not None
    assert done.error.code is ErrorCode.ROUTE_NOT_SERVED
    assert machine.through_edge(8088).version == "1.0.0"  # type: ignore[union-attr]


def test_a_lost_container_is_brought_back_and_a_removal_takes_it(world: World) -> None:
    """Deploying the same again repairs it; nothing is left of a removed service."""
    world.deployed("1.0.0")
    machine = world.machines["local"]
    [first] = carriers(machine)
    world.connect("local").remove(first.id)
    assert answers(world) == []
    world.deployed("1.0.0")
    assert answers(world) == ["1.0.0"]
    world.connect("local").stop(carriers(machine)[0].id, timeout_seconds=1)
    world.deployed("1.0.0")
    assert answers(world) == ["1.0.0"]
    done = world.run("remove", force=True)
    assert isinstance(done, Outcome)
    assert done.result is Result.REMOVED
    assert carriers(machine) == []
