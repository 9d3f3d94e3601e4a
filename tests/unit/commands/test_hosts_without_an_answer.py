"""Reading commands show the hosts that answer beside those that do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.engine import FakeEngine
from tests.fakes.world import World, make_world

from deploy_action.errors import ErrorCode, ExitCode, HostUnreachable
from deploy_action.results.outcome import Outcome
from deploy_action.results.reports import Monitoring, Status

HOSTS = ("ssh://deploy@a", "ssh://deploy@b")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two hosts on which 1.0.0 is live; later the second one does not answer."""
    made = make_world(tmp_path, monkeypatch, hosts=HOSTS)
    made.deployed("1.0.0")

    def connect(host: str) -> FakeEngine:
        if host == HOSTS[1]:
            raise HostUnreachable(f"{host}: timed out after 5 s")
        return made.connect(host)

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


def test_a_deployment_needs_every_host(world: World) -> None:
    """Nothing is touched where one does not answer."""
    report = world.run("deploy", version="2.0.0")
    assert isinstance(report, Outcome)
    assert report.error is not None
    assert report.error.code is ErrorCode.HOST_UNREACHABLE
