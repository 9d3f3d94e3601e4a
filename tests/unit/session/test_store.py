"""The ledger's files: what is written is read, and a long series of failures hides nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
from collections.abc import Iterator

import pytest
from tests.fakes.clock import FakeClock
from tests.fakes.machine import FakeMachine, FakeVolume
from tests.fakes.session import FakeSession
from tests.fakes.values import digest_of
from tests.support.errors import fails_with

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.releases.ledger import current_deployment, previous_stable
from deploy_action.releases.model import Deployment, Kind, Release, State
from deploy_action.session.client import Session
from deploy_action.session.signals import OperatorCommand, read_command, send_command
from deploy_action.session.store import LedgerStore

OK, BAD = State.SUCCEEDED, State.FAILED


@pytest.fixture
def machine() -> FakeMachine:
    """A host."""
    return FakeMachine(name="a", clock=FakeClock(), registry={})


@pytest.fixture
def store(machine: FakeMachine) -> Iterator[LedgerStore]:
    """A ledger on a host's volume."""
    ours, theirs = socket.socketpair()
    served = FakeSession(
        machine, FakeVolume(), theirs, lambda _: contextlib.nullcontext(""), lambda: None
    )
    served.start()
    with contextlib.closing(Session("a", ours)) as session:
        yield LedgerStore(session, "shop", "production")
    assert served.over.wait(10)


def entry(number: int, version: str, state: State) -> Deployment:
    release = Release(
        service="shop",
        environment="production",
        version=version,
        image="shop",
        digest=digest_of(version),
        config={},
    )
    return Deployment(
        id=f"d{number}",
        number=number,
        kind=Kind.DEPLOY,
        release=release,
        actor="ada",
        started_at="2026-01-01T00:00:00+00:00",
        state=state,
        ended_at="2026-01-01T00:01:00+00:00" if state is OK else "",
    )


def test_entries_are_read_in_their_order(store: LedgerStore) -> None:
    """The last ones, oldest first; a second write replaces an entry."""
    for number in (1, 2, 11):
        store.write(entry(number, "1", State.RUNNING))
    store.write(entry(11, "1", OK))
    assert [e.number for e in store.read().entries] == [1, 2, 11]
    assert store.read(2).entries == (entry(2, "1", State.RUNNING), entry(11, "1", OK))


def test_a_deployment_begins_without_the_commands_to_an_earlier_one(store: LedgerStore) -> None:
    """An operator's abort of one deployment never reaches the next."""
    command = OperatorCommand(number=1, action="abort", actor="ada", reason="wrong version")
    send_command(store.session, "shop", "production", command)
    assert read_command(store.session, "shop", "production", 2) is None
    assert read_command(store.session, "shop", "production", 1) == command
    store.begin(entry(2, "1", State.RUNNING))
    assert read_command(store.session, "shop", "production", 1) is None
    assert store.read().highest == 2


def test_a_deployment_does_not_begin_on_a_full_disk(
    machine: FakeMachine, store: LedgerStore
) -> None:
    """Its outcome could not be written."""
    machine.disk_full = True
    with pytest.raises(DeploymentFailed) as refused:
        store.begin(entry(1, "1", State.RUNNING))
    assert refused.value.code is ErrorCode.DISK_FULL


def test_a_warning_is_added_to_the_newest_entry(store: LedgerStore) -> None:
    """The deployment that lost its lock; an empty ledger stays empty."""
    store.add_warning("unlocked by force")
    assert store.read().entries == ()
    for number in (1, 2):
        store.write(entry(number, "1", OK))
    store.add_warning("unlocked by force")
    assert [e.warnings for e in store.read().entries] == [(), ("unlocked by force",)]


def test_a_long_series_of_failures_hides_no_release(store: LedgerStore) -> None:
    """Otherwise a failing deployment would count as the first one and remove the service."""
    story = [("1", OK), ("2", OK), *[("3", BAD)] * 450]
    for number, (version, state) in enumerate(story, 1):
        store.write(entry(number, version, state))
    entries = store.read().entries
    current, previous = current_deployment(entries), previous_stable(entries)
    assert current is not None
    assert current.release.version == "2"
    assert previous is not None
    assert previous.release.version == "1"


def test_a_directory_without_end_is_read_to_a_limit(store: LedgerStore) -> None:
    """Two thousand failures in a row: what is live counts as unknown, and nothing is removed."""
    store.write(entry(1, "1", OK))
    for number in range(2, 2003):
        store.write(entry(number, "2", BAD))
    with fails_with(ErrorCode.LEDGER_DAMAGED):
        store.read()


def test_no_more_than_needed_is_read(store: LedgerStore) -> None:
    """Two hundred entries when enough of them have succeeded."""
    for number in range(1, 451):
        store.write(dataclasses.replace(entry(number, str(number), OK)))
    assert len(store.read().entries) == 200
