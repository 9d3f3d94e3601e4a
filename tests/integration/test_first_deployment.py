"""docs/tutorial/first-deployment.md as a reader does it: its commands in its order, on an application of others."""

from __future__ import annotations

import re
import shlex
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from tests.support.sandbox import Sandbox, docker, free_port

pytestmark = [pytest.mark.docker, pytest.mark.long]

PAGE = Path(__file__).parents[2] / "docs/tutorial/first-deployment.md"
DOCKERFILE = "FROM deploy-action-test/httpbin:0.10.4\nEXPOSE 8000\n"


def typed(section: str) -> list[list[str]]:
    """Return the commands that stand in a section of the page."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Sandbox]:
    """A folder with a Dockerfile and nothing else; its name becomes the service's and the image's."""
    directory = tmp_path / f"reader-{uuid4().hex[:8]}"
    directory.mkdir()
    (directory / "Dockerfile").write_text(DOCKERFILE)
    box = Sandbox(directory=directory, edge=directory.name, port=free_port(), config={})
    try:
        yield box
    finally:
        box.clean()
        image = f"ghcr.io/your-organisation/{directory.name}"
        listed = docker("images", "--format", "{{.Repository}}:{{.Tag}}", image).split()
        if listed:
            docker("rmi", *listed)


def enter(reader: Sandbox, commands: list[list[str]]) -> None:
    for program, *words in commands:
        assert program == "deploy-action"
        done = reader.run(*words, json=False)
        assert done.exit_code == 0, f"{words}\n{done.text}"


def apart(reader: Sandbox) -> None:
    """Give what `init` wrote an edge and ports of its own: this machine has others."""
    file = reader.directory / "deploy.yaml"
    written = yaml.safe_load(file.read_text())
    assert written["port"] == 8000
    environments = written["environments"]
    environments["staging"]["route"]["port"] = free_port()
    environments["production"]["route"]["port"] = reader.port
    file.write_text(yaml.safe_dump(written | {"edge": {"name": reader.edge}}))


def live(reader: Sandbox) -> str:
    with urllib.request.urlopen(f"{reader.url}/status/200", timeout=10) as answer:
        assert answer.status == 200
    return str(reader.run("status", "-e", "production").json["current"]["release"]["version"])


def test_four_commands_lead_to_production_within_five_minutes(reader: Sandbox) -> None:
    """All but the installation is typed as it stands there, and takes two of the five minutes at
    most; the second version and the way back follow."""
    install, init, *rest = typed("On your own machine")
    assert install[:2] == ["pipx", "install"]
    assert init == ["deploy-action", "init"]
    assert len(rest) == 2
    begun = time.monotonic()
    enter(reader, [init])
    apart(reader)
    enter(reader, rest)
    assert time.monotonic() - begun < 120
    assert live(reader) == "1.0.0"

    (reader.directory / "Dockerfile").write_text(f"{DOCKERFILE}LABEL changed=yes\n")
    second = typed("A second version, and a rollback")
    back = next(i for i, words in enumerate(second) if "rollback" in words)
    enter(reader, second[:back])
    assert live(reader) == "1.1.0"
    enter(reader, second[back:])
    assert live(reader) == "1.0.0"
