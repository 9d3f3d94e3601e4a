"""Why a release failed is shown and kept: its own words, its answer, and no secret."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.fakes.application import Application
from tests.fakes.world import World, make_world

from deploy_action.commands import perform
from deploy_action.errors import ErrorCode, ExitCode
from deploy_action.events.model import Event, QuotedOutput
from deploy_action.inputs import Inputs
from deploy_action.releases.model import HostOutcome
from deploy_action.render.outcome_view import outcome_view
from deploy_action.render.view import Facts
from deploy_action.results.notes import Note
from deploy_action.results.outcome import Outcome

SECRET = "tops3cret-value"
HOOK = "tops3cretword"
WORDS = (f"the token is {SECRET}", "fatal: no database")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """1.0.0 is live."""
    made = make_world(tmp_path, monkeypatch, secrets=["TOKEN"])
    done = made.deploy("1.0.0", environ={"TOKEN": SECRET})
    assert done.error is None
    return made


@pytest.mark.parametrize(
    "application",
    [
        Application(version="4.0.0", ready_seconds=float("inf"), says=WORDS),
        Application(version="4.0.0", ready_seconds=0.1, ends_seconds=0.05, exit_code=1, says=WORDS),
        Application(version="4.0.0", says_version=SECRET, says=WORDS),
    ],
    ids=["health", "exit", "identity"],
)
def test_the_words_of_a_failed_release_are_shown_and_kept_without_secrets(
    world: World, application: Application
) -> None:
    """In the report and in the ledger, whatever it failed of."""
    world.publish(application)
    done = world.deploy("4.0.0", environ={"TOKEN": SECRET})
    [excerpt] = done.excerpts
    assert "4.0.0" in excerpt.title
    assert {"the token is ***", "fatal: no database"} <= set(excerpt.lines)
    entry = world.ledger("local")[-1]
    assert entry.excerpts == (excerpt,)
    kept = b"".join(world.machines["local"].files("ledger/").values())
    assert SECRET not in f"{done}{done.error}{done.error and done.error.cause}{kept!r}"


def test_the_answer_of_an_unhealthy_replica_is_shown(world: World) -> None:
    """Its status and its body, as the edge got them."""
    world.publish(Application(version="4.0.0", ready_seconds=float("inf")))
    done = world.deploy("4.0.0", environ={"TOKEN": SECRET})
    assert done.error is not None
    assert "GET /healthz answers 503: version 4.0.0" in done.error.cause


@pytest.mark.parametrize("answers", [True, False])
def test_the_previous_release_serves_only_if_it_was_asked_and_answered(
    world: World, answers: bool
) -> None:
    """Where it does not, nobody may believe that a rollback was enough."""
    if not answers:
        for _, container in world.replicas():
            sick = Application(version="1.0.0", ready_seconds=float("inf"))
            container.image = dataclasses.replace(container.image, application=sick)
        world.clock.sleep(5.0)
    world.publish(Application(version="4.0.0", ends_seconds=0.05, exit_code=1))
    done = world.deploy("4.0.0", environ={"TOKEN": SECRET})
    assert done.exit_code is (ExitCode.DEPLOYMENT_FAILED if answers else ExitCode.ROLLBACK_FAILED)
    assert done.serving == ("1.0.0" if answers else "")
    assert done.deployment is not None
    outcome = HostOutcome.RESTORED if answers else HostOutcome.UNKNOWN
    assert done.deployment.hosts == {"local": outcome}


@pytest.mark.parametrize(
    ("identity", "says"),
    [
        ({"header": "X-Version"}, "DEPLOY_VERSION"),
        ({"header": "X-Version", "expect": "2.0.0"}, "names itself as expected (2.0.0)"),
        (None, "not asked"),
    ],
)
def test_the_report_says_what_was_proven_of_the_release(
    world: World, identity: dict[str, str] | None, says: str
) -> None:
    """The version that we hand to a container ourselves proves nothing but that it answers."""
    world.configure(
        health={"path": "/healthz"} | ({} if identity is None else {"identity": identity})
    )
    done = world.deploy("2.0.0", environ={"TOKEN": SECRET})
    facts = {
        label: cell.text
        for block in outcome_view(done).reasons
        if isinstance(block, Facts)
        for label, cell in block.rows
    }
    assert facts["proven"].startswith("every replica runs this image")
    assert says in facts["proven"]


def test_a_secret_that_a_hook_prints_is_told_to_nobody(world: World) -> None:
    """Observers are told of its output as it ends."""
    world.configure(hooks={"pre_deploy": [{"name": "migrate", "run": f"echo {HOOK}; exit 3"}]})
    told: list[Event] = []

    class Listener:
        name = "listener"

        def notify(self, event: Event) -> None:
            told.append(event)

        def close(self, timeout_seconds: float) -> tuple[Note, ...]:
            return ()

    inputs = Inputs(
        config=world.directory / "deploy.yaml",
        version="2.0.0",
        actor="ada",
        environ={"TOKEN": HOOK},
    )
    done = perform("deploy", inputs, [Listener()])
    assert isinstance(done, Outcome)
    assert done.error is not None
    assert done.error.code is ErrorCode.HOOK_FAILED
    quoted = [event for event in told if isinstance(event, QuotedOutput)]
    assert [event.lines[0] for event in quoted] == ["***"]
    assert HOOK not in f"{done.error.what}{done.error.cause}{world.ledger('local')[-1].cause}"
