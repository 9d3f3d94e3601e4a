"""All kinds of clients at one time, and an application that dies at once when it is told to stop:
whatever is not drained before that is lost."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.sandbox import Sandbox, docker, free_port, until
from tests.support.traffic import FULL, Total, Traffic

from deploy_action.platforms.docker.edge import artifact

pytestmark = pytest.mark.docker

BRUTAL = {"DIE_ON_SIGTERM": "1"}
STOP = {"timeout": "1s", "drain": "15s"}


def _assert_nothing_lost(total: Total) -> None:
    assert total.all_lost == 0, f"{total.lost}\n" + "\n".join(total.examples)
    assert all(total.sent.values()), total.sent


def test_a_deployment_a_failed_one_and_a_rollback_cut_nothing(box: Sandbox) -> None:
    """64 clients: slow answers, streams, long polls and websockets all live to their end."""
    assert FULL.clients >= 64
    box.configure(env=BRUTAL, stop=STOP)
    box.deployed("1.0.0")
    with Traffic(box.url, FULL) as traffic:
        box.deployed("2.0.0")
        assert box.deploy("3.0.0-broken").exit_code == 4
        back = box.run("rollback")
        assert back.exit_code == 0, back.text
    _assert_nothing_lost(traffic.total())
    assert set(traffic.total().versions) == {"1.0.0", "2.0.0"}


@pytest.fixture
def neighbour(box: Sandbox, tmp_path: Path) -> Sandbox:
    """Another service, whose first deployment makes the edge reload."""
    (tmp_path / "other").mkdir()
    made = Sandbox(
        directory=tmp_path / "other", edge=box.edge, port=free_port(), config=dict(box.config)
    )
    production = {"route": {"port": made.port}}
    made.configure(service="other", environments={"production": production})
    return made


@pytest.mark.long
def test_what_the_edge_held_before_a_reload_is_drained_too(
    box: Sandbox, neighbour: Sandbox
) -> None:
    """A reload leaves connections with the edge's process before; a deployment right after it,
    or with it, has to wait for them as well."""
    box.configure(env=BRUTAL, stop=STOP)
    box.deployed("1.0.0")
    with Traffic(box.url, FULL) as traffic:
        neighbour.deployed("1.0.0")
        box.deployed("2.0.0")
        # Another check needs a reload at the very switch.
        box.configure(health=box.config["health"] | {"path": "/version"})
        box.deployed("1.0.0")
    _assert_nothing_lost(traffic.total())


def test_a_connection_that_was_idle_all_the_while_is_answered_by_what_serves_now(
    box: Sandbox, neighbour: Sandbox
) -> None:
    """It is still held by the edge's process from before the reload, which knew only replicas
    that are gone since; twice, for what was led on once has to be led on again."""
    box.deployed("1.0.0")
    patient = [http.client.HTTPConnection("127.0.0.1", box.port, timeout=10) for _ in range(3)]
    answered = [_version(connection) for connection in patient]
    neighbour.deployed("1.0.0")
    box.deployed("2.0.0")
    answered.append(_version(patient[0]))
    box.run("rollback")
    answered.append(_version(patient[1]))
    box.deployed("2.0.0")
    answered.append(_version(patient[2]))
    assert answered == ["1.0.0", "1.0.0", "1.0.0", "2.0.0", "1.0.0", "2.0.0"]


def _version(connection: http.client.HTTPConnection) -> str | None:
    connection.request("GET", "/version")
    answer = connection.getresponse()
    answer.read()
    return answer.headers["X-Version"]


@pytest.mark.long
def test_an_older_edge_is_replaced_and_cuts_nothing(box: Sandbox) -> None:
    """The next deployment brings a newer edge, which takes the sockets over; websockets and slow
    answers that the older one carries live to their end."""
    box.configure(env=BRUTAL, stop=STOP)
    box.deployed("1.0.0")
    older = _put_an_older_edge(box)
    with Traffic(box.url, FULL) as traffic:
        box.deployed("2.0.0")
        newer = docker(
            "inspect", "--format", "{{.Id}} {{.HostConfig.RestartPolicy.Name}}", box.edge
        )
        box.deployed("1.0.0")
    assert newer.split() != [older, "unless-stopped"]
    assert newer.split()[1] == "unless-stopped"
    _assert_nothing_lost(traffic.total())
    docker("restart", "-t", "1", box.edge)
    until(lambda: _serves(box, "1.0.0"), "the new edge comes up by itself")
    box.deployed("2.0.0")
    assert _edges(box) == [box.edge]


@pytest.fixture
def edge_that(box: Sandbox, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Builds images of an edge that does something else before it begins."""
    made: list[str] = []

    def build(first: str) -> str:
        name = f"{box.edge}-image:{len(made) + 1}"
        change = f"RUN sed -i '2i {first}' /usr/local/bin/edge"
        (tmp_path / "Dockerfile").write_text(f"FROM {artifact.tag()}\n{change}\n")
        docker("build", "-q", "-t", name, str(tmp_path))
        made.append(name)
        return name

    yield build
    box.clean()
    docker("rmi", *made)


def test_an_edge_ends_only_when_the_newer_one_has_begun(
    box: Sandbox, edge_that: Callable[[str], str]
) -> None:
    """Until then the older one answers for both, also when it is asked which of them serves."""
    box.deployed("1.0.0")
    slow = edge_that("sleep 1")
    box.configure(edge=box.config["edge"] | {"image": slow})
    with box.unbroken():
        box.deployed("2.0.0")
    assert docker("inspect", "--format", "{{.Config.Image}}", box.edge).strip() == slow


@pytest.mark.long
def test_an_edge_that_does_not_begin_leaves_the_present_one_in_charge(
    box: Sandbox, edge_that: Callable[[str], str]
) -> None:
    """And not the one before that, which lives on for a connection that it holds."""
    box.deployed("1.0.0")
    _put_an_older_edge(box)
    patient = http.client.HTTPConnection("127.0.0.1", box.port, timeout=10)
    assert _version(patient) == "1.0.0"
    box.deployed("2.0.0")
    present = docker("inspect", "--format", "{{.Id}}", box.edge)
    box.configure(edge=box.config["edge"] | {"image": edge_that("exit 3")})
    with box.unbroken():
        box.deployed("1.0.0")
    assert docker("inspect", "--format", "{{.Id}}", box.edge) == present
    assert _version(patient) == box.serving() == "1.0.0"


def _put_an_older_edge(box: Sandbox) -> str:
    """Replace the edge by one that does not say which revision it is, as the first ones did."""
    image = docker("inspect", "--format", "{{.Config.Image}}", box.edge).strip()
    docker("rm", "-f", box.edge)
    labels = [f"--label=deploy-action.edge={box.edge}", "--label=deploy-action.kind=edge"]
    given = ["--network=host", f"--volume={box.edge}:/state", "--restart=unless-stopped"]
    made = docker("run", "-d", f"--name={box.edge}", *labels, *given, image).strip()
    until(lambda: _serves(box, "1.0.0"), "the older edge serves")
    return made


def _edges(box: Sandbox) -> list[str]:
    wanted = ["--filter", f"label=deploy-action.edge={box.edge}"]
    role = ["--filter", "label=deploy-action.kind=edge"]
    return docker("ps", "-a", *wanted, *role, "--format", "{{.Names}}").split()


def _serves(box: Sandbox, version: str) -> bool:
    try:
        return box.serving() == version
    except OSError:
        return False
