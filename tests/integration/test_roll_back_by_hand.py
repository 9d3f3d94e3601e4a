"""The page for the team is right: its plain docker commands bring the old release back."""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy_action.cli import main as cli

pytestmark = pytest.mark.docker

CONFIG = """\
version: 1
service: shop
image: deploy-action-demo
pull: never
watch: 0s
port: 8080
health: {{path: /healthz}}
route: {{port: {port}}}
edge: {{name: {edge}}}
stop: {{drain: 1s}}
strategy: {{standby: {standby}}}
environments:
  staging: {{hosts: [local], replicas: 2}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """An edge of its own, with a port of its own."""

    config: Path
    edge: str
    port: int

    def run(self, *argv: str) -> tuple[int, str]:
        out, err = io.StringIO(), io.StringIO()
        code = cli.main(["-c", str(self.config), *argv], stdout=out, stderr=err)
        return code, out.getvalue() + err.getvalue()

    def containers(self) -> dict[str, str]:
        """Name → version of the replicas that run."""
        template = '{{.Names}} {{.Label "deploy-action.version"}}'
        labels = ("edge=" + self.edge, "kind=replica")
        filters = [
            part for label in labels for part in ("--filter", f"label=deploy-action.{label}")
        ]
        listed = docker("ps", *filters, "--format", template)
        return dict(line.split() for line in listed.splitlines())

    def version(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/version", timeout=5) as answer:
            return str(json.load(answer)["version"])


def docker(*argv: str) -> str:
    return subprocess.run(
        ["docker", *argv], capture_output=True, text=True, timeout=60, check=True
    ).stdout


@pytest.fixture(params=[False, True], ids=["stopped", "standby"])
def stage(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    edge = f"by-hand-{secrets.token_hex(3)}"
    config = tmp_path / "deploy.yaml"
    standby = str(request.param).lower()
    config.write_text(CONFIG.format(port=port, edge=edge, standby=standby), encoding="utf-8")
    try:
        yield Stage(config=config, edge=edge, port=port)
    finally:
        listed = docker("ps", "-aq", "--filter", f"label=deploy-action.edge={edge}").split()
        if listed:
            docker("rm", "-f", "-v", *listed)
        for network in docker(
            "network", "ls", "-q", "--filter", f"label=deploy-action.edge={edge}"
        ).split():
            docker("network", "rm", network)
        if edge in docker("volume", "ls", "--format", "{{.Name}}").split():
            docker("volume", "rm", edge)


def commands(page: str) -> str:
    """Take the shell commands for the edge out of the page."""
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    found: str
    (found,) = [block for block in blocks if "haproxy" in block]
    return found


def versions_seen(stage: Stage, wanted: set[str], deadline_seconds: float = 10) -> set[str]:
    """Ask until the last answers were all wanted ones, or the time is over."""
    end = time.monotonic() + deadline_seconds
    while True:
        seen = {stage.version() for _ in range(8)}
        if seen == wanted or time.monotonic() > end:
            return seen


def test_the_commands_of_the_page_restore_the_old_release(stage: Stage) -> None:
    """Pair by pair, every answer comes from a live release; then a rollback records it."""
    for version in ("1.0.0", "2.0.0"):
        code, said = stage.run("deploy", "-e", "staging", "--version", version)
        assert code == 0, said
    # The old ones may still be ending: the page's commands have to work then as well.
    serving = sorted(name for name, of in stage.containers().items() if of == "2.0.0")
    kept = sorted(
        docker(
            "ps",
            "-a",
            *("--filter", f"label=deploy-action.edge={stage.edge}"),
            *("--filter", "label=deploy-action.version=1.0.0", "--format", "{{.Names}}"),
        ).split()
    )
    assert (len(serving), len(kept)) == (2, 2)
    code, page = stage.run("docs")
    assert code == 0
    for new, old in zip(serving, kept, strict=True):
        script = re.sub(r"^NEW=.*$", f"NEW={new}; OLD={old}", commands(page), flags=re.MULTILINE)
        done = subprocess.run(
            ["bash", "-eu", "-c", script],
            env=dict(os.environ),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Success=1" in done.stdout
    assert versions_seen(stage, {"1.0.0"}) == {"1.0.0"}
    assert set(stage.containers().values()) == {"1.0.0"}
    # What was done by hand survives a restart of the edge: the file is the durable truth.
    docker("restart", "-t", "1", stage.edge)
    end = time.monotonic() + 15
    while True:
        try:
            assert versions_seen(stage, {"1.0.0"}) == {"1.0.0"}
            break
        except OSError:
            if time.monotonic() > end:
                raise
    code, said = stage.run("rollback", "-e", "staging", "--to", "1.0.0")
    assert code == 0, said
    code, said = stage.run("status", "-e", "staging")
    assert code == 0
    assert "1.0.0 serves" in said
