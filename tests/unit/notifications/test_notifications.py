"""Notifications: what they say in each form, who takes them, and what happens if nobody does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.fakes.application import Application
from tests.fakes.clock import FakeClock
from tests.fakes.process import Process
from tests.fakes.world import World, make_world
from tests.unit.notifications.receiver import Receiver, receiver

from deploy_action.commands import perform
from deploy_action.config.model import NotificationTarget
from deploy_action.errors import DeploymentFailed
from deploy_action.events.notifications import Notifier
from deploy_action.inputs import Inputs, Secret
from deploy_action.notifications.forms import FORMS, signed
from deploy_action.notifications.message import Notification, finished
from deploy_action.notifications.place import Place
from deploy_action.notifications.send import send
from deploy_action.results.notes import Note, NoteCode
from deploy_action.results.outcome import Outcome
from deploy_action.results.reports import DoctorReport, Report, Verdict

__all__ = ["receiver"]

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "schemas/notification.schema.json").read_text("utf-8")
)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOSTILE = "<!channel> [here](https://evil.example) *b* `c` @everyone ~d~ | &amp; _e_"
MESSAGE = Notification(
    event="failed",
    title=f"shop {HOSTILE}",
    good=False,
    text=HOSTILE,
    facts=(("By", HOSTILE),),
    url="https://shop.example.com/",
    run_url="https://github.com/acme/shop/actions/runs/1",
    data={"service": "shop", "environment": "production"},
)
EVERYTHING = ("started", "deployed", "rolled-back", "removed", "failed", "drifted", "unhealthy")


def target(kind: Any = "webhook", **changes: Any) -> NotificationTarget:
    return NotificationTarget(kind=kind, secret="HOOK", **changes)


@pytest.mark.parametrize("kind", FORMS)
def test_no_form_interprets_what_an_application_said(kind: str) -> None:
    """Neither a mention, nor a link, nor a format; links lead where deploy.yaml and GitHub say."""
    body = json.dumps(FORMS[kind](MESSAGE, NOW), ensure_ascii=False)
    if kind == "slack":
        assert "<!" not in body
        assert "*b*" not in body
    if kind in ("discord", "teams"):
        assert "[here](" not in body
        assert r"\\[here\\]\\(https:" in body
    if kind == "discord":
        assert FORMS[kind](MESSAGE, NOW)["allowed_mentions"] == {"parse": []}
    assert "https://shop.example.com/" in body
    assert "actions/runs/1" in body


def test_a_signature_is_the_one_of_standard_webhooks() -> None:
    """By the example of the specification: id, time and body, joined by dots."""
    key = base64.b64encode(b"0123456789abcdef01234567").decode()
    for given, raw in ((f"whsec_{key}", b"0123456789abcdef01234567"), ("plain", b"plain")):
        headers = signed(b'{"a":1}', Secret(given), id="msg_1", now=NOW)
        content = f'msg_1.{int(NOW.timestamp())}.{{"a":1}}'.encode()
        digest = base64.b64encode(hmac.new(raw, content, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{digest}"
        assert headers["webhook-id"] == "msg_1"


def told(
    receiver: Receiver, kind: str = "webhook", environ: Mapping[str, str] | None = None
) -> str:
    environ = {"HOOK": receiver.url} if environ is None else environ
    [why] = send(
        [target(kind)], MESSAGE, Inputs(environ=environ), id="x", clock=FakeClock(), seconds=4
    )
    return why


@pytest.mark.parametrize("kind", FORMS)
def test_a_receiver_takes_it(receiver: Receiver, kind: str) -> None:
    """As JSON, at the path of the address."""
    assert told(receiver, kind) == ""
    [request] = receiver.requests
    assert request.headers["content-type"] == "application/json"
    assert ("webhook-id" in request.headers) == (kind == "webhook")
    if kind == "webhook":
        jsonschema.validate(json.loads(request.body), SCHEMA)


@pytest.mark.parametrize(("answers", "requests"), [((503, 429, 204), 3), ((404,), 1), ((302,), 1)])
def test_it_is_tried_again_where_that_may_help(
    receiver: Receiver, answers: tuple[int, ...], requests: int
) -> None:
    """Under the same id, and never at another address."""
    receiver.answers = list(answers)
    assert (told(receiver) == "") == (answers[-1] == 204)
    assert len(receiver.requests) == requests
    assert {request.headers["webhook-id"] for request in receiver.requests} == {"x"}


@pytest.mark.parametrize(
    "address", ["", "http://example.com/x", "ftp://localhost/x", "https://", "http://[", "x"]
)
def test_an_address_that_is_none_is_told_without_it(receiver: Receiver, address: str) -> None:
    """Plain http only to this machine."""
    why = told(receiver, environ={"HOOK": address})
    assert "HOOK" in why
    assert not address or address not in why


def test_a_receiver_that_is_gone_is_told_without_its_address(receiver: Receiver) -> None:
    """Whoever reads the log could write to the channel."""
    receiver.close()
    why = told(receiver)
    assert why
    assert receiver.url not in why
    assert "secret-path" not in why


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A shop whose deployments are told."""
    made = make_world(tmp_path, monkeypatch)
    made.configure(
        notifications=[{"kind": "webhook", "secret": "HOOK", "events": [*EVERYTHING]}],
    )
    return made


def run(world: World, receiver: Receiver, command: str, **inputs: Any) -> Report:
    """Run a command as the command line does, and wait for what it tells."""
    world.process = Process()
    environ = {"HOOK": receiver.url}
    given = Inputs(config=world.directory / "deploy.yaml", actor="ada", environ=environ, **inputs)
    report = perform(command, given, (Notifier(given),))
    world.process.ended()
    world.settle()
    return report


def events(receiver: Receiver) -> Iterator[str]:
    for request in receiver.requests:
        body = json.loads(request.body)
        jsonschema.validate(body, SCHEMA)
        yield body["type"]


def test_deployments_are_told_with_their_end(world: World, receiver: Receiver) -> None:
    """Success, failure and rollback; a plan and a look at the status tell nobody."""
    run(world, receiver, "deploy", version="1.0.0")
    run(world, receiver, "deploy", version="2.0.0", dry_run=True)
    run(world, receiver, "status")
    run(world, receiver, "deploy", version="2.0.0")
    world.publish(Application(version="3.0.0", ready_seconds=float("inf")))
    run(world, receiver, "deploy", version="3.0.0")
    failed = json.loads(receiver.requests[-1].body)["data"]
    assert (failed["version"], failed["serving"]) == ("3.0.0", "2.0.0")
    assert failed["text"]
    run(world, receiver, "rollback")
    assert list(events(receiver)) == [
        *("started", "deployed", "started", "deployed", "started", "failed"),
        *("started", "rolled-back"),
    ]


def test_what_fails_before_there_is_a_deployment_says_where(
    world: World, receiver: Receiver
) -> None:
    """An image that nobody has."""
    run(world, receiver, "deploy", version="9.9.9")
    [body] = [json.loads(request.body) for request in receiver.requests]
    assert (body["data"]["service"], body["data"]["environment"]) == ("shop", "production")
    assert body["data"]["title"].startswith("shop in production: ")


def test_drift_is_told(world: World, receiver: Receiver) -> None:
    """By the run that finds it."""
    run(world, receiver, "deploy", version="1.0.0")
    assert run(world, receiver, "drift").result is Verdict.IN_SYNC
    [machine] = world.machines.values()
    [replica] = [c for c in machine.containers.values() if c.spec.name.endswith("_1")]
    replica.status = "exited"
    drift = run(world, receiver, "drift")
    assert drift.result is Verdict.DRIFTED
    assert list(events(receiver)) == ["started", "deployed", "drifted"]
    assert json.loads(receiver.requests[-1].body)["data"]["differences"]


def test_what_nobody_took_is_a_note_and_no_failure(world: World, receiver: Receiver) -> None:
    """The release is live all the same."""
    receiver.answers = [404] * 9
    done = run(world, receiver, "deploy", version="1.0.0")
    assert isinstance(done, Outcome)
    assert int(done.exit_code) == 0
    codes = [note.code for note in done.notes if isinstance(note, Note)]
    assert codes.count(NoteCode.NOTIFICATION_NOT_SENT) == len(["started", "deployed"])


def test_an_environment_may_tell_nobody(world: World, receiver: Receiver) -> None:
    """Its own list replaces the shared one."""
    world.configure(environments={"production": {"notifications": []}})
    run(world, receiver, "deploy", version="1.0.0")
    assert receiver.requests == []


def test_a_target_is_no_part_of_a_release(world: World, receiver: Receiver) -> None:
    """Another channel does not make the live release a new one."""
    run(world, receiver, "deploy", version="1.0.0")
    world.configure(notifications=None)
    assert run(world, receiver, "deploy", version="1.0.0").result == "unchanged"


def test_notify_says_who_took_a_test(world: World, receiver: Receiver) -> None:
    """And fails where one did not."""
    report = run(world, receiver, "notify")
    assert isinstance(report, DoctorReport)
    assert report.result is Verdict.READY
    assert list(events(receiver)) == ["test"]
    receiver.answers = [403]
    assert run(world, receiver, "notify").result is Verdict.NOT_READY


def test_secrets_are_masked() -> None:
    """In whatever form an application quotes one."""
    Secret("hunter2-canary")
    error = DeploymentFailed("shop: hunter2-canary", cause="login aHVudGVyMi1jYW5hcnk=")
    message = finished(Outcome.of_error(error), Place(service="shop", environment="production"))
    assert message is not None
    for form in FORMS.values():
        body = json.dumps(form(message, NOW))
        assert "canary" not in body
        assert "aHVudGVy" not in body
