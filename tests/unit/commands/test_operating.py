"""logs, exec, ps, restart, completion: what people do between deployments."""

from __future__ import annotations

import io
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from tests.fakes.application import Application
from tests.fakes.process import Fault, Process
from tests.fakes.world import World, make_world

from deploy_action.cli.main import main
from deploy_action.commands import NAMES, describe, perform
from deploy_action.errors import BadInput, ErrorCode, ExitCode
from deploy_action.events.console import Console
from deploy_action.events.model import Event, Output
from deploy_action.events.stream import Observer
from deploy_action.inputs import Inputs
from deploy_action.releases.model import Kind
from deploy_action.render.text import Style
from deploy_action.results.notes import Note
from deploy_action.results.outcome import Outcome, Result
from deploy_action.results.reports import Logs, Page, Processes, Status

HOSTS = ("ssh://deploy@a", "ssh://deploy@b")


class Heard:
    """Keeps what programs printed."""

    name = "a test"

    def __init__(self) -> None:
        self.text = ""

    def notify(self, event: Event) -> None:
        if isinstance(event, Output):
            self.text += event.content.decode()

    def close(self, timeout_seconds: float) -> tuple[Note, ...]:
        return ()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two hosts on which 2.0.0 is live and 1.0.0 is kept."""
    made = make_world(tmp_path, monkeypatch, hosts=HOSTS)
    made.deployed("1.0.0", "2.0.0")
    made.settle()
    return made


def listen(world: World, command: str, **inputs: object) -> tuple[object, str]:
    heard: Observer = Heard()
    given = Inputs(config=world.directory / "deploy.yaml", actor="ada", **inputs)  # type: ignore[arg-type]
    report = perform(command, given, [heard])
    assert isinstance(heard, Heard)
    return report, heard.text


def test_logs_are_those_of_what_is_live(world: World) -> None:
    """Each line names its host and replica where there are several; kept ones only if asked for."""
    report, text = listen(world, "logs")
    assert isinstance(report, Logs)
    lines = text.splitlines()
    assert len(lines) == len(report.replicas) == len(HOSTS)
    for host in HOSTS:
        assert any(
            line.startswith(f"{host} shop_production_2.0.0_2 | version 2.0.0") for line in lines
        )
    everything, more = listen(world, "logs", everything=True)
    assert isinstance(everything, Logs)
    assert len(everything.replicas) == 2 * len(HOSTS)
    assert "version 1.0.0" in more


def test_there_are_no_logs_of_what_was_never_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty output would look like a quiet application."""
    report, _ = listen(make_world(tmp_path, monkeypatch), "logs")
    assert isinstance(report, Outcome)
    assert report.error is not None
    assert report.error.code is ErrorCode.NOTHING_DEPLOYED


def test_ps_lists_every_service_on_the_hosts(world: World) -> None:
    """Whatever deploy.yaml one stands beside."""
    world.configure(service="blog", route={"port": 8089})
    assert world.deploy("1.0.0").result is Result.DEPLOYED
    report = world.run("ps")
    assert isinstance(report, Processes)
    found = Counter((p.service, p.state) for p in report.processes if p.role == "web")
    assert found == {("shop", "running"): 2, ("shop", "exited"): 2, ("blog", "running"): 2}
    assert {p.service for p in report.processes} >= {"shop", "blog", "edge"}


def test_a_restart_replaces_every_replica_without_a_gap(world: World) -> None:
    """The same version in new containers, once more if asked again; not what a deployment is for."""
    before = {container.id for _, container in world.replicas() if container.status == "running"}
    done = world.outcome("restart", reason="memory grows")
    assert (done.result, done.serving) == (Result.DEPLOYED, "2.0.0")
    assert done.deployment is not None
    assert (done.deployment.kind, done.deployment.reason) == (Kind.RESTART, "memory grows")
    world.settle()
    after = {container.id for _, container in world.replicas() if container.status == "running"}
    assert len(after) == len(before)
    assert not before & after
    assert world.outcome("restart").result is Result.DEPLOYED
    assert world.deploy("2.0.0").result is Result.UNCHANGED
    assert list(world.troubles()) == []
    assert world.outages() == []


def test_after_a_restart_a_rollback_goes_to_the_version_before(world: World) -> None:
    """The containers before the restart are no earlier version."""
    world.outcome("restart")
    done = world.outcome("rollback")
    assert (done.result, done.serving) == (Result.ROLLED_BACK, "1.0.0")
    assert world.outages() == []


def test_a_restart_that_fails_leaves_the_old_replicas(world: World) -> None:
    """They never stopped serving."""
    for host in HOSTS:
        machine = world.machines[host]
        for reference, image in list(machine.images.items()):
            if image.application is not None and image.application.version == "2.0.0":
                bad = Application(version="2.0.0", ready_seconds=float("inf"))
                machine.images[reference] = type(image)(
                    id=image.id, digests=image.digests, application=bad
                )
    running = {container.id for _, container in world.replicas() if container.status == "running"}
    done = world.outcome("restart")
    assert done.exit_code is ExitCode.DEPLOYMENT_FAILED
    world.settle()
    still = {container.id for _, container in world.replicas() if container.status == "running"}
    assert still == running
    assert world.outages() == []


def test_a_restart_whose_deployer_dies_is_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every third call; the next command finds one good release, with traffic."""
    for number in range(1, 120, 3):
        made = make_world(tmp_path, monkeypatch)
        made.deployed("1.0.0")
        process = Process(fault=Fault.DIES, at=number)
        made.run("restart", process)
        made.clock.sleep(60)
        assert made.deploy("1.0.0").exit_code is ExitCode.DONE, number
        assert list(made.troubles()) == [], number
        assert made.outages() == [], number
        status = made.run("status")
        assert isinstance(status, Status)
        if not process.struck:
            break


@pytest.mark.parametrize(
    "word", ["down", "destroy", "delete", "up", "scale", "undo", "audit", "secrets"]
)
def test_what_other_tools_have_is_explained(word: str) -> None:
    """By name, without a guess at what might be meant."""
    with pytest.raises(BadInput) as raised:
        describe(word)
    assert raised.value.code is ErrorCode.UNKNOWN_COMMAND
    named = [name for name in NAMES if name in raised.value.cause.split()]
    assert named or "deploy.yaml" in raised.value.cause


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_every_command(shell: str) -> None:
    """From the registry, so that a new command is there by itself."""
    page = perform("completion", Inputs(shell=shell))
    assert isinstance(page, Page)
    for name in NAMES:
        assert name in page.text


def test_bash_reads_the_completion(tmp_path: Path) -> None:
    """It completes a command's options."""
    page = perform("completion", Inputs(shell="bash"))
    assert isinstance(page, Page)
    script = tmp_path / "completion"
    script.write_text(page.text)
    asked = 'source "$1"; COMP_WORDS=(deploy-action logs --fo); COMP_CWORD=2; _deploy_action; echo "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "-c", asked, "bash", script], check=True, capture_output=True, text=True
    )
    assert done.stdout == "--follow\n"


def test_version_is_a_word_too() -> None:
    """People type it before they look for the option."""
    out = io.StringIO()
    assert main(["version"], stdout=out, stderr=io.StringIO()) == 0
    assert out.getvalue().startswith("deploy-action ")


def test_a_programs_output_goes_where_programs_read() -> None:
    """Unchanged bytes on stdout, what it said beside them on stderr."""
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    console = Console(err, Style(enabled=False), output=out)
    console.notify(Output(content=b"\xff\x00data\n"))
    console.notify(Output(content=b"words\n", error=True))
    assert out.buffer.getvalue() == b"\xff\x00data\n"
    assert err.getvalue() == "words\n"
