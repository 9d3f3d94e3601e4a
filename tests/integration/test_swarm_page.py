"""The page on Swarm is right: its commands bring a service of a real Swarm back, and no further."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from tests.support.hosts import Host, hosts
from tests.support.pages import BLOCKS

pytestmark = [pytest.mark.docker, pytest.mark.long]

OLD, NEW = "deploy-action-demo:1.0.0", "deploy-action-demo:2.0.0"


@pytest.fixture
def swarm() -> Iterator[Host]:
    """A Swarm of one node, whose service `shop` was updated."""
    with hosts(1) as made:
        [node] = made.hosts
        node.load(OLD, NEW)
        node.run("swarm", "init", "--advertise-addr", node.address)
        local = ("--no-resolve-image", "--quiet")
        node.run("service", "create", "--name", "shop", "--update-monitor", "1s", *local, OLD)
        node.run("service", "update", "--image", NEW, *local, "shop")
        yield node


def typed(host: Host, command: str, **environ: str) -> str:
    """Type a block of the page."""
    [block] = [
        each for each in BLOCKS if each.page == "docs/how-to/swarm.md" and command in each.text
    ]
    done = subprocess.run(
        ["sh", "-ec", block.text],
        env={**os.environ, "DOCKER_HOST": host.docker, **environ},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def image(host: Host) -> str:
    template = "{{.Spec.TaskTemplate.ContainerSpec.Image}}"
    return host.run("service", "inspect", "--format", template, "shop").strip()


def test_a_service_goes_one_step_back_and_to_any_image(swarm: Host) -> None:
    """As the page says: twice is the bad one again, and an image is always reached."""
    told = typed(swarm, "--rollback")
    assert image(swarm) == OLD
    assert f"{OLD} Running" in told
    typed(swarm, "--rollback")
    assert image(swarm) == NEW
    swarm.run("service", "update", "--label-add", "looked=yes", "--quiet", "shop")
    typed(swarm, "--rollback")
    assert image(swarm) == NEW
    typed(swarm, "--image", IMAGE=OLD)
    assert image(swarm) == OLD
