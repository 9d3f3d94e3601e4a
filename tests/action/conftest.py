"""What the action's tests share: one copy of this repository, and a caller's for each test."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.fakes.github_server import FakeGitHub, serving
from tests.support.act import Repository, copy_of_this_repository, with_image
from tests.support.registry import Registry, registry
from tests.support.sandbox import docker


@pytest.fixture(scope="session")
def action(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository under test, as act gets it; its image is built already."""
    return with_image(copy_of_this_repository(tmp_path_factory.mktemp("action")))


@pytest.fixture
def store() -> Iterator[Registry]:
    """A registry; to be asked for before `edge`, whose replicas use its images."""
    with registry() as made:
        yield made
        # By name: the engine has the same images under names of others.
        for shape in ("{{.Repository}}:{{.Tag}}", "{{.Repository}}@{{.Digest}}"):
            listed = docker("images", "--digests", "--format", shape).split()
            mine = {name for name in listed if name.startswith(f"{made.name}/")}
            if named := sorted(name for name in mine if "<none>" not in name):
                docker("rmi", *named)


@pytest.fixture
def edge() -> Iterator[str]:
    """A name for an edge of the test's own, and nothing left of it afterwards."""
    name = f"test-act-{uuid4().hex[:8]}"
    yield name
    label = f"label=deploy-action.edge={name}"
    found = docker("ps", "-aq", "--filter", label).split()
    if found:
        docker("rm", "-fv", *found)
    for network in docker("network", "ls", "-q", "--filter", label).split():
        docker("network", "rm", network)
    if name in docker("volume", "ls", "--format", "{{.Name}}").split():
        docker("volume", "rm", name)


@pytest.fixture
def ports() -> tuple[int, int]:
    """Two free ports of this machine."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("", 0))
        two.bind(("", 0))
        return one.getsockname()[1], two.getsockname()[1]


@pytest.fixture
def caller(tmp_path: Path, action: Path) -> Repository:
    """A repository of somebody who uses the action."""
    path = tmp_path / "shop"
    path.mkdir()
    return Repository(
        path=path, action=action, secrets={"DEPLOY_SECRETS": "TOKEN=tr0ub4dor-and-3\n"}
    )


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    """GitHub's API, at the address of this machine that containers reach."""
    # The gateway itself is not told by an engine that was just started for the first time.
    subnet = docker(
        *("network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Subnet}}")
    ).strip()
    gateway = str(next(ipaddress.ip_network(subnet).hosts()))
    with serving(FakeGitHub(commits=["c" * 40]), gateway) as served:
        yield served
