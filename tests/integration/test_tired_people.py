"""What people do to a deployment by hand, and that the next command mends it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.hosts import hosts
from tests.support.sandbox import Sandbox, await_event, await_step, kill_group, sandbox, until

from deploy_action.platforms.docker.edge import artifact
from deploy_action.rollout.step import StepId

pytestmark = pytest.mark.docker

VERSIONS = ("1.0.0", "2.0.0")


@pytest.fixture
def shop(box: Sandbox) -> Sandbox:
    """2.0.0 serves, and 1.0.0 is kept."""
    for version in VERSIONS:
        box.deployed(version)
    return box


MENDING = {
    "the same version again": (("deploy", "--version", "2.0.0"), "2.0.0"),
    "another version": (("deploy", "--version", "1.0.0"), "1.0.0"),
    "the button": (("rollback",), "2.0.0"),
}


@pytest.mark.long
def test_a_container_removed_by_hand_is_mended_by_whatever_comes_next(shop: Sandbox) -> None:
    """Nothing serves: drift and monitor say so, any command repairs it, and nothing is "lost"."""
    for words, (argv, serves) in MENDING.items():
        shop.docker("rm", "-f", *shop.containers(all=False))
        assert shop.run("drift").exit_code == 3
        assert shop.run("monitor").exit_code == 3
        done = shop.run(*argv)
        assert done.exit_code == 0, f"{words}: {done.text}"
        assert shop.serving() == serves, words
        assert shop.run("drift").exit_code == 0
        assert not shop.history()[0].get("requests_lost"), words


def test_an_edge_removed_by_hand_is_brought_back(shop: Sandbox) -> None:
    """What it knew is in its volume; the same version again is enough."""
    shop.docker("rm", "-f", shop.edge)
    found = shop.run("drift")
    assert found.exit_code == 3, found.text
    done = shop.deploy("2.0.0")
    assert done.exit_code == 0, done.text
    assert shop.serving() == "2.0.0"
    assert shop.run("drift").exit_code == 0


def test_a_kept_container_removed_by_hand_does_not_matter(shop: Sandbox) -> None:
    """The image is enough to bring the release back."""
    kept = set(shop.containers()) - set(shop.serving_containers())
    shop.docker("rm", *kept)
    done = shop.run("rollback")
    assert done.exit_code == 0, done.text
    assert shop.serving() == "1.0.0"


def test_impatience_twice_is_no_worse_than_once(shop: Sandbox) -> None:
    """Ctrl-C, and again while it goes back: the way back is finished."""
    process = shop.start("deploy", "--progress-json", "--json", "--version", "1.0.0")
    await_step(process, StepId.CHECK_REPLICA)
    kill_group(process, signal.SIGINT)
    await_event(process, "undo-started")
    kill_group(process, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 4
    assert shop.serving() == "2.0.0"
    assert shop.history()[0]["state"] == "failed"
    until(shop.lock_is_free, "the lock is free")
    assert len(shop.serving_containers()) == 1


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[Sandbox]:
    """An engine on which nobody else has anything to lose."""
    with hosts(1) as made:
        machine = made.hosts[0]
        machine.load(artifact.tag(), *(f"deploy-action-demo:{version}" for version in VERSIONS))
        with sandbox(
            tmp_path, hosts=[machine.docker], engine=machine.docker, where=machine.address
        ) as box:
            yield box


def test_everything_pruned_leaves_what_serves_and_what_is_known(own_engine: Sandbox) -> None:
    """`docker system prune -af --volumes` takes the kept release: a rollback says so and changes
    nothing, and the history is whole; with the image back, the way back is open again."""
    box = own_engine
    for version in VERSIONS:
        box.deployed(version)
    archive = subprocess.run(
        ["docker", "save", "deploy-action-demo:1.0.0"], capture_output=True, check=True
    ).stdout
    with box.load() as stop:
        box.docker("system", "prune", "-af", "--volumes")
        assert box.run("drift").exit_code == 0
        back = box.run("rollback")
        assert back.exit_code == 4, back.text
        assert "1.0.0" in back.text
        assert box.serving() == "2.0.0"
        assert [entry["state"] for entry in box.history()] == ["succeeded", "succeeded"]
        assert box.run("status").json["restorable"] == []
        load = ["docker", "-H", box.engine, "load"]
        subprocess.run(load, input=archive, capture_output=True, check=True)
        again = box.run("rollback")
        assert again.exit_code == 0, again.text
        assert box.serving() == "1.0.0"
        seen = stop()
    assert seen.lost == 0, f"{seen} {seen.examples}"
