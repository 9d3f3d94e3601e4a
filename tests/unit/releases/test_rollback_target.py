"""What a rollback brings back, and with which secrets: on hosts of tests/fakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.application import Application
from tests.fakes.world import World, make_world

from deploy_action.errors import BadInput, DeploymentFailed, ErrorCode, ExitCode
from deploy_action.releases.model import Kind, State
from deploy_action.results.outcome import Result

SECRET = "DATABASE_URL"
OLD, NEW = {SECRET: "postgres://old"}, {SECRET: "postgres://new"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A host on which 1.0.0, 2.0.0 and 3.0.0 were deployed one after the other."""
    made = make_world(tmp_path, monkeypatch)
    made.deployed("1.0.0", "2.0.0", "3.0.0")
    return made


def serving(world: World) -> str:
    """Ask the service itself, and make sure that all else is in order."""
    assert list(world.troubles()) == []
    assert world.outages() == []
    reply = world.machines["local"].through_edge(8088)
    assert reply is not None
    return reply.version


def prune(world: World) -> None:
    """Remove what was kept, as people do; the images stay."""
    machine = world.machines["local"]
    for _, container in list(world.replicas()):
        if container.status == "exited":
            del machine.containers[container.id]


def test_without_a_version_the_last_stable_release_comes_back(world: World) -> None:
    """Pressed again it goes further back, never forward to the one that was left."""
    for version in ("2.0.0", "1.0.0"):
        done = world.outcome("rollback", reason="ticket 12")
        assert (done.result, serving(world)) == (Result.ROLLED_BACK, version)
        assert done.deployment is not None
        assert (done.deployment.kind, done.deployment.reason) == (Kind.ROLLBACK, "ticket 12")
    last = world.outcome("rollback")
    assert last.exit_code is ExitCode.DEPLOYMENT_FAILED
    assert last.error is not None
    assert last.error.code is ErrorCode.NO_ROLLBACK_TARGET
    assert serving(world) == "1.0.0"


def test_previous_is_a_word_for_no_version(world: World) -> None:
    """A form or a script that has to name one names this, and need not know it."""
    for version in ("2.0.0", "1.0.0"):
        done = world.outcome("rollback", to="previous")
        assert (done.result, serving(world)) == (Result.ROLLED_BACK, version)


def test_from_makes_a_button_that_is_pressed_twice_harmless(world: World) -> None:
    """The second press finds another version than it was meant against."""
    assert world.outcome("rollback", from_="3.0.0").result is Result.ROLLED_BACK
    again = world.outcome("rollback", from_="3.0.0")
    assert (again.result, again.exit_code) == (Result.UNCHANGED, ExitCode.DONE)
    assert serving(world) == "2.0.0"


def test_a_kept_container_is_started_again_instead_of_a_new_one(world: World) -> None:
    """Warm: nothing is pulled, nothing is created but the lock."""
    machine = world.machines["local"]
    before, machine.registry = machine.created, None
    assert world.outcome("rollback").error is None
    assert machine.created == before + 1
    assert serving(world) == "2.0.0"


def test_what_was_pruned_is_made_anew_from_the_image(world: World) -> None:
    """Cold, and still without a registry."""
    prune(world)
    world.machines["local"].registry = None
    assert world.outcome("rollback", to="1.0.0").error is None
    assert serving(world) == "1.0.0"


def test_what_cannot_be_restored_changes_nothing_and_says_what_can(world: World) -> None:
    """Image pruned and registry down: seen before anything is touched."""
    prune(world)
    machine = world.machines["local"]
    machine.registry = None
    gone = next(e.release.reference for e in world.ledger("local") if e.release.version == "1.0.0")
    del machine.images[gone]
    before = [c.id for _, c in world.replicas()]
    done = world.outcome("rollback", to="1.0.0")
    assert isinstance(done.error, DeploymentFailed)
    assert done.error.code is ErrorCode.IMAGE_NOT_FOUND
    assert done.restorable == ("2.0.0",)
    assert [c.id for _, c in world.replicas()] == before
    assert len(world.ledger("local")) == 3
    assert serving(world) == "3.0.0"


def test_a_version_that_never_served_is_named_with_those_that_did(world: World) -> None:
    """A typing error is told from a release that is gone."""
    done = world.outcome("rollback", to="9.9.9")
    assert isinstance(done.error, BadInput)
    assert done.exit_code is ExitCode.BAD_INPUT
    assert done.error.code is ErrorCode.UNKNOWN_VERSION
    assert "3.0.0, 2.0.0, 1.0.0" in str(done.error)


def test_a_time_brings_back_what_served_then(world: World) -> None:
    """Before the first deployment nothing served."""
    first = world.ledger("local")[0]
    assert world.outcome("rollback", at=first.ended_at).error is None
    assert serving(world) == "1.0.0"
    early = world.outcome("rollback", at="2020-01-01T00:00:00Z")
    assert isinstance(early.error, BadInput)
    unclear = world.outcome("rollback", at="yesterday")
    assert isinstance(unclear.error, BadInput)


def test_configuration_and_environment_come_back_with_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same image twice with other settings is two releases."""
    world = make_world(tmp_path, monkeypatch, env={"LEVEL": "info"})
    world.deployed("1.0.0")
    world.configure(env={"LEVEL": "debug"}, replicas=2)
    world.deployed("1.0.0")
    assert serving(world) == "1.0.0"
    world.configure(replicas=None)
    assert world.outcome("rollback").error is None
    assert serving(world) == "1.0.0"
    [running] = [c for _, c in world.replicas() if c.status == "running"]
    assert running.spec.env["LEVEL"] == "info"


@pytest.fixture
def secretive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two releases with a secret; the first had another value of it than the second."""
    made = make_world(tmp_path, monkeypatch, secrets=[SECRET])
    for version, values in (("1.0.0", OLD), ("2.0.0", NEW)):
        assert made.deploy(version, environ=values).error is None
    made.deployed()
    return made


def running_secret(world: World) -> str:
    world.settle()
    [running] = [c for _, c in world.replicas() if c.status == "running"]
    return running.spec.env[SECRET]


def test_a_secret_that_was_rotated_is_used_as_it_is_today(secretive: World) -> None:
    """The old value has most likely been revoked; the report names the secret, never a value."""
    done = secretive.outcome("rollback", environ=NEW)
    assert done.error is None
    [note] = done.notes
    assert SECRET in str(note)
    assert (serving(secretive), running_secret(secretive)) == ("1.0.0", NEW[SECRET])
    assert "postgres" not in str(done.notes)
    again = secretive.outcome("rollback", environ=NEW)
    assert again.error is not None
    assert again.error.code is ErrorCode.NO_ROLLBACK_TARGET


def test_a_secret_that_was_not_rotated_needs_no_new_container(secretive: World) -> None:
    """The kept container holds what is given."""
    before = secretive.machines["local"].created
    assert secretive.outcome("rollback", environ=OLD).error is None
    assert secretive.machines["local"].created == before + 1
    assert running_secret(secretive) == OLD[SECRET]


def test_without_secrets_the_kept_container_is_started_as_it_was(secretive: World) -> None:
    """It is told that its values are those of then."""
    done = secretive.outcome("rollback", environ={})
    assert done.error is None
    assert len(done.notes) == 1
    assert (serving(secretive), running_secret(secretive)) == ("1.0.0", OLD[SECRET])


def test_without_secrets_and_containers_nothing_is_touched(secretive: World) -> None:
    """The missing secret is named before anything begins."""
    prune(secretive)
    done = secretive.outcome("rollback", environ={})
    assert done.exit_code is ExitCode.DEPLOYMENT_FAILED
    assert done.error is not None
    assert done.error.code is ErrorCode.SECRET_MISSING
    assert SECRET in str(done.error)
    assert len(secretive.ledger("local")) == 2
    assert running_secret(secretive) == NEW[SECRET]


def test_no_secret_is_written_down_anywhere(secretive: World) -> None:
    """Not in the ledger, not in a label, not in the edge; fingerprints are keyed and not the value's."""
    machine = secretive.machines["local"]
    written = b"".join(content for path, content in machine.files("").items())
    labels = "".join(str(c.spec.labels) for _, c in secretive.replicas())
    for value in (OLD[SECRET], NEW[SECRET]):
        assert value.encode() not in written
        assert value not in labels
    first, second = (entry.release.secrets[SECRET] for entry in secretive.ledger("local"))
    assert first != second


def test_a_deployment_without_its_secret_is_refused_before_a_host_is_asked(
    secretive: World,
) -> None:
    """Bad input, with the name."""
    done = secretive.deploy("3.0.0", environ={})
    assert isinstance(done.error, BadInput)
    assert secretive.process.calls == []


def test_a_release_that_will_not_start_again_leaves_the_present_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollback is judged like a deployment: it fails, and what served serves."""
    world = make_world(tmp_path, monkeypatch)
    world.publish(Application(version="1.0.0", ready_seconds=1))
    world.deployed("1.0.0", "2.0.0")
    world.configure(health={"path": "/healthz", "deadline": "5s"})
    machine = world.machines["local"]
    old = next(c for _, c in world.replicas() if c.status == "exited")
    old.image = type(old.image)(
        id=old.image.id, application=Application(version="1.0.0", ready_seconds=float("inf"))
    )
    done = world.outcome("rollback")
    assert done.exit_code is ExitCode.DEPLOYMENT_FAILED
    assert world.ledger("local")[-1].state is State.FAILED
    assert serving(world) == "2.0.0"
    assert machine.outages == []


def test_old_releases_are_kept_as_many_as_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`retain` counts releases; what is older goes with its image, what can be restored stays."""
    world = make_world(tmp_path, monkeypatch, retain=1, replicas=2)
    world.deployed("1.0.0", "2.0.0", "3.0.0")
    kept = {c.spec.labels["deploy-action.version"] for _, c in world.replicas()}
    assert kept == {"2.0.0", "3.0.0"}
    images = [name for name in world.machines["local"].images if "@" in name]
    assert len(images) == 2
    assert serving(world) == "3.0.0"
