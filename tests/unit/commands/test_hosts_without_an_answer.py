"""Reading commands show the hosts that answer beside those that do not."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest
from tests.fakes.engine import FakeEngine
from tests.fakes.world import World, make_world

from deploy_action.errors import ErrorCode, ExitCode, HostUnreachable
from deploy_action.results.outcome import Outcome
from deploy_action.results.reports import Monitoring, Status

HOSTS = ("ssh://deploy@a", "ssh://deploy@b")


class Silent(FakeEngine):
    """A connection that stands, to an engine that answers nothing."""

    def container(self, id_or_name: str) -> NoReturn:
        """Give up."""
        raise HostUnreachable(f"{self.host}: timed out after 5 s")


@pytest.fixture(params=["no connection", "connected"])
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two hosts on which 1.0.0 is live; later the second one does not answer."""
    made = make_world(tmp_path, monkeypatch, hosts=HOSTS)
    made.deployed("1.0.0")

    def connect(host: str) -> FakeEngine:
        if host != HOSTS[1]:
            return made.connect(host)
        if request.param == "connected":
            return Silent(made.machines[host], made.process)
        raise HostUnreachable(f"{host}: timed out after 5 s")

    monkeypatch.setattr("deploy_action.platforms.docker.platform.connect", connect)
    return made


def test_status_shows_the_hosts_that_answer(world: World) -> None:
    """The other one is unknown, with the reason, and the exit code is not 0."""
    report = world.run("status")
    assert isinstance(report, Status)
    answered, silent = report.hosts
    assert (answered.host, answered.version, answered.problem) == (HOSTS[0], "1.0.0", "")
    assert silent.host == HOSTS[1]
    assert "timed out" in silent.problem
    assert report.exit_code is ExitCode.DEPLOYMENT_FAILED


def test_monitor_checks_the_hosts_that_answer(world: World) -> None:
    """The other one is named, and the exit code is not 0."""
    report = world.run("monitor")
    assert isinstance(report, Monitoring)
    assert report.checks
    assert all(HOSTS[0] in check.where for check in report.checks)
    assert report.unreachable == (HOSTS[1],)
    assert report.exit_code is not ExitCode.DONE


@pytest.mark.parametrize("world", ["no connection"], indirect=True)
def test_a_deployment_needs_every_host(world: World) -> None:
    """Nothing is touched where one does not answer."""
    report = world.run("deploy", version="2.0.0")
    assert isinstance(report, Outcome)
    assert report.error is not None
    assert report.error.code is ErrorCode.HOST_UNREACHABLE


def test_nothing_is_called_healthy_where_a_host_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is live on the host that answers, and nobody knows about the other one."""
    made = make_world(tmp_path, monkeypatch, hosts=HOSTS)

    def connect(host: str) -> FakeEngine:
        kind = Silent if host == HOSTS[1] else FakeEngine
        return kind(made.machines[host], made.process)

    monkeypatch.setattr("deploy_action.platforms.docker.platform.connect", connect)
    report = made.run("monitor")
    assert isinstance(report, Monitoring)
    assert report.unreachable == (HOSTS[1],)
    assert report.exit_code is not ExitCode.DONE
