"""GitHub's record of deployments: true, apart for each service, and never in a deployment's way."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.application import Application
from tests.fakes.clock import FakeClock
from tests.fakes.github_server import TOKEN, FakeGitHub, Fault, serving
from tests.fakes.world import World, make_world
from tests.unit.render.samples import DEPLOYED

from deploy_action import commands
from deploy_action.commands import perform
from deploy_action.events.github import END_SECONDS, DeploymentReporter
from deploy_action.events.model import CommandFinished, DeploymentStarted, Event
from deploy_action.events.observers import ObserverContext, observers
from deploy_action.events.stream import InBackground, Observer
from deploy_action.github.api import Api
from deploy_action.github.context import Context
from deploy_action.inputs import Inputs, Secret
from deploy_action.render.text import Style
from deploy_action.results.notes import Note, NoteCode
from deploy_action.results.outcome import Outcome, Result

OLD, NOW = "a" * 40, "b" * 40
RUN = "https://github.com/acme/shop/actions/runs/42"
CONTEXT = Context(
    actor="ada", commit=NOW, repository="acme/shop", repository_url="", run_url=RUN, tag=""
)


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    """A repository with two commits."""
    with serving(FakeGitHub(commits=[OLD, NOW])) as served:
        yield served


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A host."""
    return make_world(tmp_path, monkeypatch, url="https://shop.example.com")


def new_reporter(github: FakeGitHub) -> DeploymentReporter:
    """Make a run's reporter; waiting between tries takes no time."""

    def connect(seconds: float) -> Api:
        return Api(
            url=github.url,
            token=Secret(TOKEN),
            repository="acme/shop",
            clock=FakeClock(),
            seconds=seconds,
        )

    return DeploymentReporter(CONTEXT, connect)


def run(
    world: World, github: FakeGitHub, command: str, **inputs: Any
) -> tuple[Outcome, list[Note]]:
    """Run a command as the action does, and return the outcome and the observer's notes."""
    given = Inputs(config=world.directory / "deploy.yaml", actor="ada", run_url=RUN, **inputs)
    observer = Kept(InBackground(new_reporter(github)))
    outcome = perform(command, given, [observer])
    assert isinstance(outcome, Outcome)
    assert set(observer.notes) <= set(outcome.notes)
    return outcome, list(observer.notes)


class Kept:
    """Keeps the notes of an observer apart from those of the command."""

    def __init__(self, observer: Observer) -> None:
        self.name, self._observer, self.notes = observer.name, observer, tuple[Note, ...]()

    def notify(self, event: Event) -> None:
        self._observer.notify(event)

    def close(self, timeout_seconds: float) -> tuple[Note, ...]:
        self.notes = self._observer.close(timeout_seconds)
        return self.notes


def begin(reporter: DeploymentReporter) -> None:
    """Let an attempt begin."""
    reporter.notify(DeploymentStarted(deployment=DEPLOYED))


def end(reporter: DeploymentReporter, outcome: Outcome | None) -> tuple[Note, ...]:
    """Let the command end, and return the notes."""
    reporter.notify(CommandFinished(report=outcome))
    return reporter.close(0)


def deploy(world: World, github: FakeGitHub, version: str, **inputs: Any) -> list[Note]:
    """Deploy a version."""
    return run(world, github, "deploy", version=version, **inputs)[1]


def test_a_deployment_is_recorded_with_all_that_it_is(world: World, github: FakeGitHub) -> None:
    """Commit, environment, service, version, digest, our id, where it serves and where its log is."""
    outcome, notes = run(world, github, "deploy", version="1.0.0", commit=OLD, reason="ticket 12")
    assert notes == []
    assert outcome.deployment is not None
    (made,) = github.deployments
    assert (made["ref"], made["environment"], made["task"]) == (OLD, "production", "deploy:shop")
    assert made["description"] == "deploy 1.0.0 by ada: ticket 12"
    assert made["payload"] == {
        "service": "shop",
        "version": "1.0.0",
        "digest": outcome.deployment.release.digest,
        "deployment-id": outcome.deployment.id,
    }
    assert github.states(made["id"]) == ["in_progress", "success"]
    last = github.statuses[made["id"]][-1]
    assert (last["log_url"], last["environment_url"]) == (RUN, "https://shop.example.com")


def test_what_served_before_is_inactive_then(world: World, github: FakeGitHub) -> None:
    """One is live, whatever brought it there."""
    for version in ("1.0.0", "2.0.0"):
        assert deploy(world, github, version) == []
    assert github.live() == {("production", "deploy:shop", "2.0.0")}
    outcome, notes = run(world, github, "rollback", reason="slow")
    assert (outcome.result, notes) == (Result.ROLLED_BACK, [])
    assert github.live() == {("production", "deploy:shop", "1.0.0")}
    assert github.deployments[-1]["description"] == "roll back to 1.0.0 by ada: slow"
    assert [github.states(d["id"])[-1] for d in github.deployments] == [
        *("inactive", "inactive", "success"),
    ]


def test_other_services_and_environments_stay_as_they_are(world: World, github: FakeGitHub) -> None:
    """Services of one repository share an environment's name."""
    for task, environment in (("deploy:cart", "production"), ("deploy:shop", "staging")):
        body = {
            "ref": OLD,
            "task": task,
            "environment": environment,
            "auto_merge": False,
            "required_contexts": [],
            "payload": {"version": "9"},
        }
        number = github.answer("POST", "deployments", {}, body)["id"]
        done = {"state": "success", "auto_inactive": False}
        github.answer("POST", f"deployments/{number}/statuses", {}, done)
    deploy(world, github, "1.0.0")
    deploy(world, github, "2.0.0")
    assert github.live() == {
        ("production", "deploy:cart", "9"),
        ("staging", "deploy:shop", "9"),
        ("production", "deploy:shop", "2.0.0"),
    }


def test_a_failure_is_recorded_and_what_serves_stays_live(world: World, github: FakeGitHub) -> None:
    """The earlier one is not inactive: it serves."""
    deploy(world, github, "1.0.0")
    world.publish(Application(version="9.0.0", ready_seconds=float("inf")))
    outcome, notes = run(world, github, "deploy", version="9.0.0")
    assert (outcome.result, notes) == (Result.FAILED, [])
    assert github.states(101) == ["in_progress", "failure"]
    assert github.statuses[101][-1]["description"] == "undone; 1.0.0 serves"
    assert github.live() == {("production", "deploy:shop", "1.0.0")}


@pytest.mark.parametrize(
    "outcome", [None, Outcome(result=Result.UNRESOLVED), Outcome(result=Result.ERROR)]
)
def test_what_nobody_knows_the_end_of_is_an_error(
    github: FakeGitHub, outcome: Outcome | None
) -> None:
    """A bug, or a way back that failed too: neither success nor failure."""
    github.commits.append(DEPLOYED.release.commit)
    reporter = new_reporter(github)
    begin(reporter)
    assert end(reporter, outcome) == ()
    assert github.states(100) == ["in_progress", "error"]


def test_a_run_that_was_lost_is_closed_by_the_next(world: World, github: FakeGitHub) -> None:
    """Nothing stays in progress for ever; what was live before the lost one is ended too."""
    deploy(world, github, "1.0.0")
    github.commits.append(DEPLOYED.release.commit)
    begin(new_reporter(github))
    deploy(world, github, "2.0.0")
    assert [github.states(n)[-1] for n in (100, 101, 102)] == ["inactive", "error", "success"]


@pytest.mark.parametrize("commit", ["", "0123456", "c" * 40])
def test_a_commit_that_is_not_here_is_replaced_by_the_runs(
    world: World, github: FakeGitHub, commit: str
) -> None:
    """A release may come from another repository, or from a commit that was never pushed."""
    assert deploy(world, github, "1.0.0", commit=commit) == []
    assert github.deployments[0]["ref"] == NOW


def test_what_did_not_begin_is_not_recorded(world: World, github: FakeGitHub) -> None:
    """A plan, a refusal, a no-op."""
    deploy(world, github, "1.0.0")
    before = len(github.requests)
    assert run(world, github, "plan", version="2.0.0")[0].result is Result.PLANNED
    assert run(world, github, "deploy", version="1.0.0")[0].result is Result.UNCHANGED
    assert run(world, github, "deploy", version="bad version")[0].result is Result.INVALID
    assert len(github.requests) == before


def test_without_permission_the_note_names_it(world: World, github: FakeGitHub) -> None:
    """What is missing, which permission would help, and how to be left in peace; exit code 0."""
    github.permissions["deployments"] = "read"
    outcome, (note,) = run(world, github, "deploy", version="1.0.0")
    assert int(outcome.exit_code) == 0
    assert note.code is NoteCode.GITHUB_NOT_RECORDED
    assert "permissions: {deployments: write}" in str(note)
    assert "github-record: off" in str(note)


def test_without_a_token_the_note_says_so() -> None:
    """And nothing is asked."""
    reporter = DeploymentReporter(CONTEXT, None)
    begin(reporter)
    (note,) = end(reporter, Outcome(result=Result.DEPLOYED, deployment=DEPLOYED))
    assert note.code is NoteCode.GITHUB_NOT_RECORDED


@pytest.mark.parametrize("after", [True, False])
def test_an_answer_that_was_lost_leaves_one_record(
    world: World, github: FakeGitHub, after: bool
) -> None:
    """Whether GitHub had done it or not."""
    github.faults.append(Fault(hangs_up=True, after_doing=after))
    assert deploy(world, github, "1.0.0") == []
    assert [github.states(d["id"])[-1] for d in github.deployments] == ["success"]


def test_an_end_that_could_not_be_written_is_told(world: World, github: FakeGitHub) -> None:
    """GitHub shows it as in progress: that must not be a riddle."""
    reporter = new_reporter(github)
    github.commits.append(DEPLOYED.release.commit)
    begin(reporter)
    github.faults += [Fault(status=500)] * 9
    (note,) = end(reporter, Outcome(result=Result.DEPLOYED, deployment=DEPLOYED))
    assert note.code is NoteCode.GITHUB_RECORD_INCOMPLETE


def test_a_github_that_hangs_delays_nobody(
    world: World, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the deployment, which is live before GitHub says a word, nor its end for long."""
    monkeypatch.setattr(commands, "END_SECONDS", 0.3)
    github.stalled = threading.Event()
    began = time.monotonic()
    outcome, (note,) = run(world, github, "deploy", version="1.0.0")
    assert outcome.result is Result.DEPLOYED
    assert note.code is NoteCode.OBSERVER_TIMED_OUT
    assert time.monotonic() - began < 3


def test_a_response_that_nobody_foresaw_is_a_note(world: World, github: FakeGitHub) -> None:
    """A deployment never fails by its record."""
    github.faults.append(Fault(status=201, body='{"surprise": true}'))
    outcome, (note,) = run(world, github, "deploy", version="1.0.0")
    assert outcome.result is Result.DEPLOYED
    assert note.code is NoteCode.OBSERVER_FAILED


@pytest.mark.parametrize("asked", [True, False])
def test_the_command_line_has_it_too(github: FakeGitHub, asked: bool) -> None:
    """Where it is asked for, with repository and token from the environment."""
    environ = {
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_API_URL": github.url,
        "GITHUB_SHA": NOW,
    }
    inputs = Inputs(environ=environ, github_record=asked)
    context = ObserverContext(inputs=inputs, log=io.StringIO(), style=Style())
    for observer in observers(context):
        observer.notify(DeploymentStarted(deployment=DEPLOYED))
        observer.notify(CommandFinished(report=Outcome(result=Result.DEPLOYED)))
        assert observer.close(END_SECONDS) == ()
    assert len(github.deployments) == int(asked)
