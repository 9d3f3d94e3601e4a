"""A host that somebody else controls writes whatever it likes; the other one stays as it is."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.application import Application
from tests.fakes.machine import FakeMachine
from tests.fakes.world import BACKEND, World, make_world

from deploy_action.errors import ErrorCode
from deploy_action.inputs import Inputs
from deploy_action.releases.ledger import Ledger, current_deployment, decode, encode, merge
from deploy_action.releases.model import Deployment, State
from deploy_action.results.notes import Note, NoteCode
from deploy_action.results.outcome import Outcome, Result
from deploy_action.results.reports import DifferenceKind, Drift, History, Status

GOOD, EVIL = "ssh://deploy@a", "ssh://deploy@b"
LEDGER = "ledger/shop/production/"
FORGED = "6.6.6"
MACHINERY = {
    "DEPLOY_PROOF_KEY": "a key with which proofs are signed",
    "SSH_PRIVATE_KEY": "ssh key",
    "TOKEN": "a token",
}


def entries(machine: FakeMachine) -> list[Deployment]:
    files = machine.files(LEDGER)
    return [decode(files[path]) for path in sorted(files) if path.endswith(".json")]


def write(machine: FakeMachine, entry: Deployment, number: int | None = None) -> None:
    for volume in machine.volumes.values():
        volume.files[f"{LEDGER}{number or entry.number:08d}.json"] = encode(entry)


def forge(world: World, secrets: tuple[str, ...] = (), **changes: Any) -> Deployment:
    """Have the evil host record another release as live."""
    machine = world.machines[EVIL]
    live = current_deployment(entries(machine))
    assert live is not None
    digest = world.publish(Application(version=FORGED))
    reference = f"registry.test/shop@{digest}"
    machine.images[reference] = world.registry[reference][1]
    release = dataclasses.replace(
        live.release,
        version=FORGED,
        digest=digest,
        config={**live.release.config, "secrets": list(secrets)},
    )
    given: dict[str, Any] = {"id": "forged", "number": 99, "release": release}
    entry = dataclasses.replace(live, **given | changes)
    write(machine, entry)
    return entry


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two hosts on which 1.0.0 was deployed, and then 2.0.0."""
    made = make_world(tmp_path, monkeypatch, hosts=(GOOD, EVIL))
    made.deployed("1.0.0", "2.0.0")
    return made


def versions(world: World, host: str) -> set[str]:
    """Return what has ever been made on a host."""
    return {
        container.application.version
        for machine, container in world.replicas()
        if machine.name == host and container.application is not None
    }


def serving(world: World, host: str) -> str:
    reply = world.machines[host].through_edge(8088)
    assert reply is not None
    return reply.version


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.RUNNING])
@pytest.mark.parametrize("number", [2, 99])
@pytest.mark.parametrize(
    ("command", "inputs"),
    [
        ("status", {}),
        ("drift", {}),
        ("monitor", {}),
        ("history", {}),
        ("rollback", {}),
        ("rollback", {"to": FORGED}),
        ("deploy", {"version": "2.0.0"}),
        ("deploy", {"version": "3.0.0"}),
        ("deploy", {"version": "4.0.0"}),
        ("maintenance", {"switch": "on"}),
        ("maintenance", {"switch": "off"}),
        ("restart", {}),
        ("run", {"argv": ("env",)}),
        ("canary", {"switch": "promote"}),
        ("unlock", {"force": True, "reason": "x"}),
    ],
)
def test_a_forged_entry_changes_nothing_on_another_host(
    world: World, command: str, inputs: dict[str, Any], number: int, state: State
) -> None:
    """The release is never made there, whatever is asked, and what serves was meant by somebody."""
    for machine in world.machines.values():
        machine.watched.add(BACKEND)
    world.publish(Application(version="4.0.0", ready_seconds=float("inf")))
    forge(world, number=number, state=state)
    before = entries(world.machines[GOOD])
    world.run(command, environ=MACHINERY, **inputs)
    world.settle()
    assert FORGED not in versions(world, GOOD)
    assert serving(world, GOOD) in {"1.0.0", "2.0.0", "3.0.0"} - {inputs.get("to")}
    if command != "rollback" and inputs.get("version") != "3.0.0":
        assert serving(world, GOOD) == "2.0.0"
    known = entries(world.machines[GOOD])
    told = [dataclasses.replace(entry, warnings=()) for entry in known]
    assert told[: len(before)] == [dataclasses.replace(entry, warnings=()) for entry in before]
    assert FORGED not in {entry.release.version for entry in known}
    assert [outage for outage in world.outages() if outage.startswith(GOOD)] == []


def test_what_one_host_alone_records_is_told(world: World) -> None:
    """By every command that reads the ledger, with an identifier."""
    forge(world)
    drift = world.run("drift")
    assert isinstance(drift, Drift)
    told = [d.host for d in drift.differences if d.kind is DifferenceKind.LEDGER_DISPUTED]
    assert told == [GOOD]
    for command in ("status", "history"):
        report = world.run(command)
        assert isinstance(report, Status | History)
        codes = [note.code for note in report.notes if isinstance(note, Note)]
        assert NoteCode.LEDGER_DISPUTED in codes
    done = world.deploy("3.0.0")
    assert done.result is Result.DEPLOYED
    assert NoteCode.LEDGER_DISPUTED in [n.code for n in done.notes if isinstance(n, Note)]


def test_a_rollback_to_what_another_host_records_is_refused(world: World) -> None:
    """It names the host that never had that release."""
    forge(world)
    done = world.outcome("rollback", to=FORGED)
    assert done.error is not None
    assert done.error.code is ErrorCode.LEDGER_DISPUTED
    assert GOOD in done.error.what
    assert EVIL not in done.error.what


def test_a_removal_does_not_make_another_hosts_record_ones_own(world: World) -> None:
    """The entry of the removal names what was live, as one host tells it: that restores nothing."""
    forged = forge(world)
    world.outcome("remove", force=True)
    write(world.machines[EVIL], dataclasses.replace(forged, number=200))
    later = dataclasses.replace(forged.release, version="7.7.7")
    write(world.machines[EVIL], dataclasses.replace(forged, number=201, release=later))
    done = world.outcome("rollback", to=FORGED)
    assert done.error is not None
    assert done.error.code is ErrorCode.LEDGER_DISPUTED
    assert FORGED not in versions(world, GOOD)


def test_a_failure_on_one_host_is_no_success_elsewhere(world: World) -> None:
    """The evil host says that a deployment went well which failed on the other one."""
    world.publish(Application(version="4.0.0", ready_seconds=float("inf")))
    assert world.deploy("4.0.0").result is Result.FAILED
    failed = entries(world.machines[EVIL])[-1]
    write(world.machines[EVIL], dataclasses.replace(failed, state=State.SUCCEEDED, cause=""))
    agreed = merge(
        {host: Ledger(entries=tuple(entries(world.machines[host]))) for host in (EVIL, GOOD)}
    ).agreed
    assert [entry.number for entry in agreed] == [1, 2]
    done = world.outcome("rollback", to="4.0.0")
    assert done.error is not None
    assert "4.0.0" not in done.restorable


def test_another_hosts_word_on_the_end_of_a_known_deployment_counts(world: World) -> None:
    """The deployer died after the first host's entry: the others learn that it had succeeded."""
    last = entries(world.machines[GOOD])[-1]
    write(world.machines[GOOD], dataclasses.replace(last, state=State.RUNNING, ended_at=""))
    done = world.deploy("2.0.0")
    assert done.result is Result.UNCHANGED
    assert entries(world.machines[GOOD])[-1] == last


def test_the_deployers_own_variables_never_reach_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host's own record names them as secrets of a release, which is then restored there."""
    world = make_world(tmp_path, monkeypatch, hosts=(EVIL,))
    world.deployed("1.0.0", "2.0.0")
    forge(world, tuple(MACHINERY), number=3)
    stopped = world.run("deploy", version="3.0.0", environ=MACHINERY)
    assert isinstance(stopped, Outcome)
    assert stopped.result is Result.UNRESOLVED
    live = entries(world.machines[EVIL])[1]
    write(world.machines[EVIL], dataclasses.replace(live, id="d4", number=4))
    world.deployed("3.0.0")
    machine = world.machines[EVIL]
    for identifier, container in list(machine.containers.items()):
        if container.status == "exited":
            del machine.containers[identifier]
    done = world.outcome("rollback", to=FORGED, environ=MACHINERY)
    assert done.error is not None
    assert done.error.code is ErrorCode.SECRET_MISSING
    for _, container in world.replicas():
        assert not any(value in str(container.spec) for value in MACHINERY.values())


@pytest.mark.parametrize("name", ["DEPLOY_PROOF_KEY", "INPUT_SSH-KEY", "github_token", "PATH"])
def test_a_reserved_name_has_no_value(name: str) -> None:
    """Not even where today's deploy.yaml was made to name it."""
    assert Inputs(environ={name: "x"}).secret(name) is None


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{}",
        b"null",
        b"[" * 100_000,
        b'{"format": 1, "release": {}}',
        b" " * (1 << 20) + b"{}",
    ],
)
def test_what_is_no_entry_is_damaged(world: World, content: bytes) -> None:
    """It is named, and nothing else is changed by it."""
    for volume in world.machines[EVIL].volumes.values():
        volume.files[f"{LEDGER}00000003.json"] = content
    report = world.run("history")
    assert isinstance(report, History)
    assert [entry.release.version for entry in report.deployments] == ["2.0.0", "1.0.0"]
    assert any("00000003.json" in str(note) for note in report.notes)
    assert world.deploy("3.0.0").result is Result.DEPLOYED


@pytest.mark.parametrize(
    "changes",
    [
        {"service": "other"},
        {"environment": "staging"},
        {"version": "-v /:/host"},
        {"digest": "latest"},
        {"roles": ()},
    ],
)
def test_an_entry_that_is_not_of_this_place_is_damaged(
    world: World, changes: dict[str, Any]
) -> None:
    """Another service's or environment's, or with a version that is no tag."""
    live = entries(world.machines[GOOD])[-1]
    release = dataclasses.replace(live.release, **changes)
    write(world.machines[GOOD], dataclasses.replace(live, number=3, release=release))
    report = world.run("history")
    assert isinstance(report, History)
    assert [entry.number for entry in report.deployments] == [2, 1]


def test_a_hundred_thousand_files_hold_nobody_up(world: World) -> None:
    """The newest two thousand are read, what is live counts as unknown, and the locks are free."""
    for volume in world.machines[EVIL].volumes.values():
        for number in range(100, 100_100):
            volume.files[f"{LEDGER}{number:08d}.json"] = b"{}"
    begun = time.monotonic()
    done = world.deploy("3.0.0")
    assert time.monotonic() - begun < 20
    assert done.error is not None
    assert done.error.code is ErrorCode.LEDGER_DAMAGED
    assert serving(world, GOOD) == serving(world, EVIL) == "2.0.0"
    for machine in world.machines.values():
        assert not [each for each in machine.containers.values() if "_lock_" in each.spec.name]


def test_an_entry_under_another_number_is_damaged(world: World) -> None:
    """A copy of an old one does not become the newest."""
    first = entries(world.machines[GOOD])[0]
    write(world.machines[GOOD], first, number=7)
    report = world.run("status")
    assert isinstance(report, Status)
    assert report.current is not None
    assert report.current.release.version == "2.0.0"
    done = world.run("deploy", version="3.0.0")
    assert isinstance(done, Outcome)
    assert done.result is Result.DEPLOYED
