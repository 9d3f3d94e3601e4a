"""doctor on one host: every row that is not well names the command that mends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from tests.fakes.values import environment

from deploy_action.config.model import EdgeOptions, Environment
from deploy_action.errors import BadInput, HostUnreachable
from deploy_action.platforms.docker.doctor import host_checks
from deploy_action.platforms.docker.edge import artifact
from deploy_action.platforms.docker.engine.protocol import Container, Engine, EngineInfo, Execution
from deploy_action.results.reports import Check, CheckState

DF = "Filesystem 1024-blocks Used Available Capacity Mounted on\noverlay 100000000 1 {} 1% /state\n"
ROUTES = """\
Main:
           |-- 0.0.0.0
              /0 universe UNICAST
           |-- 10.128.0.0
              /20 link UNICAST
              /32 host LOCAL
"""


@dataclass(kw_only=True)
class FakeEngine:
    """Just as much of an engine as doctor asks for."""

    edge: Container | None = None
    answers: Mapping[str, Execution | Exception] = field(default_factory=dict)
    closed: bool = False

    def info(self) -> EngineInfo:
        return EngineInfo(host="a", version="28.2", architecture="amd64", identity="x")

    def container(self, id_or_name: str) -> Container | None:
        return self.edge

    def networks(self, labels: Mapping[str, str] | None = None) -> Mapping[str, str]:
        assert labels in (None, {"deploy-action.edge": "deploy-action"})
        return {"deploy-action_shop_production": "10.128.0.0/20", "deploy-action_own_v6": ""}

    def execute(
        self, container_id: str, argv: Sequence[str], *, timeout_seconds: float
    ) -> Execution:
        answer = self.answers[argv[0]]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True


def edge(**changes: Any) -> Container:
    facts: dict[str, Any] = {
        "id": "1",
        "name": "deploy-action",
        "image_id": "i",
        "labels": {
            "deploy-action.edge": "deploy-action",
            "deploy-action.edge-revision": str(artifact.revision()),
        },
        "status": "running",
    }
    return Container(**facts | changes)


def healthy(**changes: Execution | Exception) -> FakeEngine:
    answers: dict[str, Execution | Exception] = {
        "df": Execution(exit_code=0, output=DF.format(50 << 20)),
        "test": Execution(exit_code=0, output=""),
        "date": Execution(exit_code=0, output="1000.5\n"),
        "head": Execution(exit_code=0, output=ROUTES),
    }
    return FakeEngine(edge=edge(), answers=answers | changes)


def examine(engine: FakeEngine, *environments: Environment) -> dict[str, Check]:
    found = host_checks(
        "ssh://a",
        EdgeOptions(),
        environments=environments,
        connect=lambda host: cast("Engine", engine),
        now=lambda: 1000.0,
    )
    assert engine.closed
    assert all(need.host == "ssh://a" for need in found)
    assert all(need.remedy for need in found if need.state is CheckState.MISSING)
    return {need.subject: need for need in found}


def test_a_host_that_is_well_has_only_good_rows() -> None:
    """Engine, edge, disk, volume and clock."""
    found = examine(healthy())
    assert set(found) == {"engine", "edge", "disk", "volume", "clock", "network"}
    assert {need.state for need in found.values()} == {CheckState.OK}
    assert found["engine"].detail == "Docker 28.2 on amd64"
    assert found["disk"].detail == "50.0 GiB free"


@pytest.mark.parametrize(
    ("free_kib", "state"),
    [(1 << 20, CheckState.WARNING), (100 << 10, CheckState.MISSING), (2 << 20, CheckState.OK)],
)
def test_a_disk_that_fills_up_is_noticed(free_kib: int, state: CheckState) -> None:
    """Little room is a warning; no room is a fault, with what to prune."""
    found = examine(healthy(df=Execution(exit_code=0, output=DF.format(free_kib))))
    assert found["disk"].state is state


@pytest.mark.parametrize(("said", "detail"), [("1090.0", "90s ahead"), ("900", "100s behind")])
def test_a_clock_that_is_off_is_noticed(said: str, detail: str) -> None:
    """The direction is said, and how to mend it."""
    need = examine(healthy(date=Execution(exit_code=0, output=said)))["clock"]
    assert (need.state, need.detail) == (CheckState.WARNING, detail)
    assert need.remedy


def test_a_network_that_takes_what_the_host_routes_elsewhere_is_told() -> None:
    """The route and what to set are named; the network's own route is none."""
    vpn = f"{ROUTES}           |-- 10.0.0.0\n              /8 universe UNICAST\n"
    need = examine(healthy(head=Execution(exit_code=0, output=vpn)))["network"]
    assert need.state is CheckState.WARNING
    assert "10.128.0.0/20" in need.detail
    assert "10.0.0.0/8" in need.detail
    assert "edge.subnet" in need.remedy


def test_a_volume_that_cannot_be_written_is_a_fault() -> None:
    """Without the ledger nothing may be deployed."""
    assert examine(healthy(test=Execution(exit_code=1, output="")))["volume"].state is (
        CheckState.MISSING
    )


def test_a_host_without_an_edge_yet_is_ready_for_its_first_deployment() -> None:
    """Nothing has to be installed by hand."""
    found = examine(FakeEngine())
    assert found["edge"].state is CheckState.WARNING
    assert set(found) == {"engine", "edge"}


@pytest.mark.parametrize(
    ("container", "said"),
    [
        (edge(status="exited", exit_code=137), "exited (exit code 137)"),
        (edge(labels={}), "taken by a container that is not an edge"),
    ],
)
def test_an_edge_that_is_down_or_a_stranger_is_a_fault(container: Container, said: str) -> None:
    """What is wrong, and what to type."""
    need = examine(FakeEngine(edge=container))["edge"]
    assert need.state is CheckState.MISSING
    assert said in need.detail


def test_a_look_that_fails_does_not_hide_the_others() -> None:
    """One command that does not answer leaves the other rows."""
    found = examine(healthy(df=HostUnreachable("df: no answer")))
    assert "could not be looked at" in found["disk"].detail
    assert found["clock"].state is CheckState.OK


def test_nonsense_from_a_host_is_a_warning_and_not_a_crash() -> None:
    """df and date of a strange image."""
    strange = Execution(exit_code=1, output="no such program")
    found = examine(healthy(df=strange, date=strange))
    assert found["disk"].state is CheckState.WARNING
    assert found["clock"].state is CheckState.WARNING


@pytest.mark.parametrize(
    ("host", "remedy"),
    [
        ("local", "systemctl start docker"),
        ("ssh://deploy@a", "ssh deploy@a docker info"),
        ("tcp://a:2376", "docker --host tcp://a:2376"),
    ],
)
def test_an_engine_that_does_not_answer_gets_a_remedy_of_its_kind(host: str, remedy: str) -> None:
    """`deploy-action doctor` never advises to run `deploy-action doctor`."""

    def refuse(host: str) -> Engine:
        raise HostUnreachable(f"{host}: no answer", remedy="deploy-action doctor")

    (need,) = host_checks(host, EdgeOptions(), connect=refuse)
    assert need.state is CheckState.MISSING
    assert remedy in need.remedy


def test_an_error_that_knows_its_remedy_keeps_it() -> None:
    """What the transport says of TLS or host keys is more exact than a general hint."""

    def refuse(host: str) -> Engine:
        raise BadInput("no TLS", cause="why", remedy="set DOCKER_CERT_PATH")

    (need,) = host_checks("tcp://a:1", EdgeOptions(), connect=refuse)
    assert (need.detail, need.remedy) == ("no TLS; why", "set DOCKER_CERT_PATH")


def test_what_a_start_needs_is_a_row_for_each_environment() -> None:
    """Missing with the command that mends it, or one row that all is there."""
    shop = environment(networks=("backend",))
    need = examine(healthy(), shop)["networks"]
    assert need.state is CheckState.MISSING
    assert need.detail == "production: there is no network backend"
    assert need.remedy == "docker --host ssh://a network create backend"
    there = environment(networks=("deploy-action_own_v6",))
    assert examine(healthy(), there)["needs"].state is CheckState.OK
    assert "needs" not in examine(healthy(), environment())
