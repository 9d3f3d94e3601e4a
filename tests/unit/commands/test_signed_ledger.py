"""With a key every entry is signed for its host: what a host writes itself is told from what was written
there, and what was written for one place counts in no other one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.application import Application
from tests.fakes.machine import FakeMachine
from tests.fakes.world import World, make_world

from deploy_action.errors import ErrorCode
from deploy_action.releases.attestation import KEY
from deploy_action.releases.ledger import decode, encode
from deploy_action.releases.model import Deployment, State
from deploy_action.releases.signatures import Signatures
from deploy_action.results.notes import Note, NoteCode
from deploy_action.results.outcome import Outcome, Result
from deploy_action.results.reports import DifferenceKind, Drift, History, Status

GOOD, EVIL = "ssh://deploy@a", "ssh://deploy@b"
LEDGER = "ledger/shop/production/"
ENVIRON = {KEY: "k" * 32}
REQUIRED = {"signed": "required"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two hosts on which 1.0.0 was deployed, and then 2.0.0, with the key."""
    made = make_world(tmp_path, monkeypatch, hosts=(GOOD, EVIL))
    deployed(made, "1.0.0", "2.0.0")
    return made


def deployed(world: World, *versions: str, **inputs: Any) -> None:
    for version in versions:
        world.publish(Application(version=version))
        done = world.deploy(version, **{"environ": ENVIRON, **inputs})
        assert done.result is Result.DEPLOYED, str(done.error)


def path(number: int) -> str:
    return f"{LEDGER}{number:08d}.json"


def content(machine: FakeMachine, number: int) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(machine.files(LEDGER)[path(number)])
    return data


def entry(machine: FakeMachine, number: int) -> Deployment:
    return decode(machine.files(LEDGER)[path(number)])


def put(machine: FakeMachine, number: int, data: bytes | dict[str, Any] | None) -> None:
    for volume in machine.volumes.values():
        if data is None:
            volume.files.pop(path(number), None)
        else:
            raw = data if isinstance(data, bytes) else json.dumps(data).encode()
            volume.files[path(number)] = raw


def forget(world: World, host: str, number: int) -> None:
    """Have a host lack a record, and everything else of that release."""
    machine = world.machines[host]
    version = entry(machine, number).release.version
    put(machine, number, None)
    for identifier, container in list(machine.containers.items()):
        if container.application is not None and container.application.version == version:
            del machine.containers[identifier]


def serving(world: World, host: str) -> str:
    reply = world.machines[host].through_edge(8088)
    assert reply is not None
    return reply.version


def codes(report: Any) -> set[NoteCode]:
    return {note.code for note in report.notes if isinstance(note, Note)}


def test_every_entry_is_signed_for_its_host(world: World) -> None:
    """The hosts' entries differ in their signatures alone."""
    first, second = (content(world.machines[host], 2) for host in (GOOD, EVIL))
    assert len(first["signature"]) == len(second["signature"]) == 64
    assert first.pop("signature") != second.pop("signature")
    assert first == second
    assert world.run("drift", environ=ENVIRON).differences == ()  # type: ignore[union-attr]


def test_without_a_key_nothing_is_signed(world: World) -> None:
    """As it was before; and what is signed counts as before, too."""
    deployed(world, "3.0.0", environ={})
    assert "signature" not in content(world.machines[GOOD], 3)
    assert codes(world.run("status", environ={})) == set()


def another_version(data: dict[str, Any]) -> None:
    data["release"]["version"] = "6.6.6"


def another_state(data: dict[str, Any]) -> None:
    data["state"] = State.FAILED


def another_key(data: dict[str, Any]) -> None:
    data["signature"] = "0" * 64


def no_ascii(data: dict[str, Any]) -> None:
    data["signature"] = "ü"


def no_text(data: dict[str, Any]) -> None:
    data["signature"] = [1]


def one_more(data: dict[str, Any]) -> None:
    data["release"]["from_a_newer_version"] = 1


@pytest.mark.parametrize(
    "forge", [another_version, another_state, another_key, no_ascii, no_text, one_more]
)
def test_an_entry_that_was_changed_is_told(
    world: World, forge: Callable[[dict[str, Any]], None]
) -> None:
    """By whoever has the key; where signatures are required it does not count."""
    data = content(world.machines[EVIL], 1)
    forge(data)
    put(world.machines[EVIL], 1, data)
    drift = world.run("drift", environ=ENVIRON)
    assert isinstance(drift, Drift)
    assert (EVIL, DifferenceKind.LEDGER_UNSIGNED) in [(d.host, d.kind) for d in drift.differences]
    for command in ("status", "history"):
        assert NoteCode.LEDGER_UNSIGNED in codes(world.run(command, environ=ENVIRON))
    world.configure(ledger=REQUIRED)
    report = world.run("status", environ=ENVIRON)
    assert isinstance(report, Status)
    assert report.restorable == ("1.0.0",)
    assert any("does not count" in str(note) for note in report.notes)
    # The other host's record vouches for what is restored on both.
    done = world.outcome("rollback", environ=ENVIRON)
    assert done.result is Result.ROLLED_BACK, str(done.error)
    assert {serving(world, host) for host in (GOOD, EVIL)} == {"1.0.0"}


def of_another_host(world: World) -> bytes:
    return world.machines[GOOD].files(LEDGER)[path(1)]


def of_another_number(world: World) -> bytes:
    data = content(world.machines[EVIL], 2)
    data["number"] = 1
    return json.dumps(data).encode()


def of_another_service(world: World) -> bytes:
    data = content(world.machines[EVIL], 1)
    data["release"]["image"] = "registry.test/other"
    return json.dumps(data).encode()


@pytest.mark.parametrize("move", [of_another_host, of_another_number, of_another_service])
def test_a_signed_entry_counts_in_its_own_place_only(
    world: World, move: Callable[[World], bytes]
) -> None:
    """Service, environment, host and number are signed."""
    put(world.machines[EVIL], 1, move(world))
    put(world.machines[GOOD], 1, None)
    world.configure(ledger=REQUIRED)
    report = world.run("history", environ=ENVIRON)
    assert isinstance(report, History)
    assert [each.number for each in report.deployments] == [2]
    assert NoteCode.LEDGER_UNSIGNED in codes(report)
    done = world.outcome("rollback", environ=ENVIRON)
    assert done.error is not None
    assert {serving(world, host) for host in (GOOD, EVIL)} == {"2.0.0"}


def test_a_host_that_lacks_a_record_takes_part_in_a_rollback(world: World) -> None:
    """A deployer signed it for another host: it says what was deployed in this environment."""
    forget(world, GOOD, 1)
    without = world.outcome("rollback", to="1.0.0", environ={})
    assert without.error is not None
    assert without.error.code is ErrorCode.LEDGER_DISPUTED
    done = world.outcome("rollback", to="1.0.0", environ=ENVIRON)
    assert done.result is Result.ROLLED_BACK, str(done.error)
    assert {serving(world, host) for host in (GOOD, EVIL)} == {"1.0.0"}


def test_an_unsigned_record_of_one_host_does_not(world: World) -> None:
    """It forges a release; the key tells it from those that were deployed."""
    forged = dataclasses.replace(
        entry(world.machines[EVIL], 2),
        number=99,
        release=dataclasses.replace(entry(world.machines[EVIL], 2).release, version="6.6.6"),
    )
    put(world.machines[EVIL], 99, encode(forged))
    done = world.outcome("rollback", to="6.6.6", environ=ENVIRON)
    assert done.error is not None
    assert done.error.code is ErrorCode.LEDGER_DISPUTED
    world.configure(ledger=REQUIRED)
    done = world.outcome("rollback", to="6.6.6", environ=ENVIRON)
    assert done.error is not None
    assert done.error.code is ErrorCode.LEDGER_UNSIGNED
    assert EVIL in done.error.what


@pytest.mark.parametrize(
    ("command", "inputs"),
    [
        ("deploy", {"version": "3.0.0"}),
        ("deploy", {"version": "3.0.0", "dry_run": True}),
        ("rollback", {}),
        ("restart", {}),
    ],
)
def test_what_is_live_has_to_be_signed_where_it_is_required(
    world: World, command: str, inputs: dict[str, Any]
) -> None:
    """Otherwise a failure could not be undone: nothing is changed, and it is said how to go on."""
    deployed(world, "2.5.0", environ={})
    world.publish(Application(version="3.0.0"))
    world.configure(ledger=REQUIRED)
    done = world.run(command, environ=ENVIRON, **inputs)
    assert isinstance(done, Outcome)
    assert done.error is not None
    assert done.error.code is ErrorCode.LEDGER_UNSIGNED
    assert {serving(world, host) for host in (GOOD, EVIL)} == {"2.5.0"}
    world.configure(ledger=None)
    deployed(world, "2.6.0")
    world.configure(ledger=REQUIRED)
    deployed(world, "3.0.0")
    assert world.deploy("9.9.9", environ=ENVIRON).result is Result.FAILED
    assert {serving(world, host) for host in (GOOD, EVIL)} == {"3.0.0"}


def test_an_unsigned_failure_does_not_keep_anybody_from_deploying(world: World) -> None:
    """Only what would be restored has to be genuine; its number is not used again."""
    world.configure(ledger=REQUIRED)
    failed = dataclasses.replace(entry(world.machines[EVIL], 2), number=7, state=State.FAILED)
    put(world.machines[EVIL], 7, encode(failed))
    deployed(world, "3.0.0")
    assert content(world.machines[GOOD], 8)["signature"]


def test_without_the_key_nothing_is_changed_where_it_is_required(world: World) -> None:
    """Looking is possible; it says that nothing was verified."""
    world.configure(ledger=REQUIRED)
    done = world.deploy("2.0.0", environ={})
    assert done.error is not None
    assert done.error.code is ErrorCode.SECRET_MISSING
    report = world.run("status", environ={})
    assert isinstance(report, Status)
    assert report.current is not None
    assert NoteCode.LEDGER_UNSIGNED in codes(report)


def test_a_signed_entry_learns_its_end_from_a_signed_one(world: World) -> None:
    """The evil host says that a deployment went well which was left unfinished."""
    machine = world.machines[GOOD]
    running = dataclasses.replace(entry(machine, 2), state=State.RUNNING, ended_at="")
    signatures = Signatures(key=ENVIRON[KEY].encode())
    put(machine, 2, encode(running, signatures, host=GOOD))
    put(world.machines[EVIL], 2, encode(entry(world.machines[EVIL], 2)))
    done = world.deploy("2.0.0", environ=ENVIRON)
    assert done.result is Result.DEPLOYED
    assert entry(machine, 2).state is State.FAILED


def test_what_was_read_unsigned_is_not_signed_by_rewriting_it(world: World) -> None:
    """A warning is added to an entry that the host itself wrote."""
    data = content(world.machines[EVIL], 2)
    del data["signature"]
    put(world.machines[EVIL], 2, data)
    world.run("maintenance", switch="on", environ=ENVIRON)
    world.run("unlock", force=True, reason="x", environ=ENVIRON)
    assert "signature" not in content(world.machines[EVIL], 2)
    assert content(world.machines[GOOD], 2)["warnings"]
    assert content(world.machines[GOOD], 2)["signature"]
