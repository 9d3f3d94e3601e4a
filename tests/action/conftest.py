"""What the action's tests share: one copy of this repository, and a caller's for each test."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.support.act import Repository, copy_of_this_repository


@pytest.fixture(scope="session")
def action(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository under test, as act gets it."""
    return copy_of_this_repository(tmp_path_factory.mktemp("action"))


@pytest.fixture
def edge() -> Iterator[str]:
    """A name for an edge of the test's own, and nothing left of it afterwards."""
    name = f"test-act-{uuid4().hex[:8]}"
    yield name
    label = f"label=deploy-action.edge={name}"
    found = _docker("ps", "-aq", "--filter", label).split()
    if found:
        _docker("rm", "-fv", *found)
    for kind in ("network", "volume"):
        if name in _docker(kind, "ls", "--format", "{{.Name}}").split():
            _docker(kind, "rm", name)


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


def _docker(*argv: str) -> str:
    return subprocess.run(["docker", *argv], check=True, capture_output=True, text=True).stdout
