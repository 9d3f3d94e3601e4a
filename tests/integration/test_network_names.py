"""The name of a service on a user's network, asked by another container all the while."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.sandbox import Sandbox, docker, sandbox, until

pytestmark = pytest.mark.docker

CLIENT = """
import collections, http.client, json, os, threading, time
versions, lost = collections.Counter(), []

def ask(keep):
    connection = None
    while not os.path.exists("/tmp/stop"):
        time.sleep(0.01)
        try:
            connection = connection or http.client.HTTPConnection("shop", 8080, timeout=10)
            connection.request("GET", "/version")
            answer = connection.getresponse()
            answer.read()
            versions[f"{answer.status} {answer.headers.get('X-Version')}"] += 1
            if keep and answer.headers.get("Connection") != "close":
                continue
        except OSError as error:
            lost.append(repr(error))
        except http.client.HTTPException as error:
            lost.append(repr(error))
        connection.close()
        connection = None

threads = [threading.Thread(target=ask, args=(n % 2,)) for n in range(4)]
[thread.start() for thread in threads]
open("/tmp/begun", "w").close()
[thread.join() for thread in threads]
print(json.dumps({"versions": versions, "lost": lost[:5]}))
"""


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Sandbox]:
    """A shop on a network of its user's."""
    with contextlib.ExitStack() as undo:
        made = undo.enter_context(sandbox(tmp_path))
        # Removed after the sandbox's containers, which are on it.
        network = f"{made.edge}-users"
        docker("network", "create", network)
        undo.pop_all()
        try:
            health = made.config["health"] | {"deadline": "3s"}
            made.configure(networks=[network], probe={"rate": 0}, health=health)
            yield made
        finally:
            made.clean()
            until(functools.partial(_removed, network), "the network is gone")


def _removed(network: str) -> bool:
    left = docker("network", "ls", "-q", "--filter", f"name=^{network}$")
    with contextlib.suppress(Exception):
        docker("network", "rm", network)
    return not left


@contextlib.contextmanager
def asked_by_name(box: Sandbox) -> Iterator[dict[str, Any]]:
    """Ask by the service's name all the while; afterwards the mapping says what became of it."""
    argv = ("--network", f"{box.edge}-users", "--label", f"deploy-action.edge={box.edge}")
    image = ("--entrypoint", "python3", "deploy-action-demo:1.0.0", "-c", CLIENT)
    client = docker("run", "-d", *argv, *image).strip()
    try:
        begun = ("exec", client, "sh", "-c", "test -e /tmp/begun && echo yes || echo no")
        until(lambda: docker(*begun).strip() == "yes", "the client asks")
        seen: dict[str, Any] = {}
        yield seen
        docker("exec", client, "touch", "/tmp/stop")
        docker("wait", client)
        seen |= json.loads(docker("logs", client))
    finally:
        docker("rm", "-f", client)


def test_a_name_leads_to_what_serves_and_loses_nothing(box: Sandbox) -> None:
    """Over a deployment, a failed one, a rollback and a reload; no candidate ever answers."""
    box.deployed("1.0.0")
    with asked_by_name(box) as seen:
        box.deployed("2.0.0")
        assert box.deploy("3.0.0-broken").exit_code == 4
        assert box.run("rollback").exit_code == 0
    assert seen["lost"] == []
    assert set(seen["versions"]) == {"200 1.0.0", "200 2.0.0"}
    [carrier] = box.containers("name", all=False)
    assert box.run("monitor").exit_code == 0
    docker("stop", "-t", "1", carrier)
    seen = box.run("monitor").json
    assert [check["where"] for check in seen["checks"] if not check["passed"]] == [
        f"shop on network {box.edge}-users of local"
    ]
    box.deployed("1.0.0")
    assert box.run("monitor").exit_code == 0
