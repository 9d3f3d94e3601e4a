"""Each way in which a host differs from what was recorded, by its kind."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.fakes.values import WEB_AND_WORKER, environment, ledger, release, succeeded
from tests.unit.platforms.docker.samples import backend, host, replica

from deploy_action.config.model import Resources, Strategy
from deploy_action.platforms.docker.container_options import host_config
from deploy_action.platforms.docker.drift import differences
from deploy_action.platforms.docker.edge.state import Backend, EdgeState, ServerStatus
from deploy_action.platforms.docker.observation import HostObservation
from deploy_action.platforms.docker.replicas import Placement
from deploy_action.releases.ledger import Ledger, merge
from deploy_action.results.reports import DifferenceKind

CONFIGURATION = environment(
    env={"LEVEL": "info"},
    secrets=("TOKEN", "KEY"),
    secret_files={"KEY": "/run/secrets/key"},
    networks=("backend",),
    resources=Resources(memory_bytes=2**26, cpus=0.5, pids=50),
    strategy=Strategy(standby=True),
)
OLD, LIVE = release("1.0.0", CONFIGURATION), release("2.0.0", CONFIGURATION)
ENTRIES = ledger(succeeded(1, OLD), succeeded(2, LIVE, previous=OLD.id))
PLACEMENT = Placement.of(CONFIGURATION)
NOW = datetime.fromisoformat(ENTRIES.entries[-1].ended_at) + timedelta(hours=1)
CURRENT: dict[str, Any] = {
    "memory_bytes": 2**26,
    "cpus": 0.5,
    "pids": 50,
    "env": {"LEVEL": "info", "TOKEN": "x"},
    "addresses": {"deploy-action_shop_production": "10.0.2.2", "backend": "10.1.0.2"},
}
STANDBY = replica(OLD, 1)


def servers(made: Backend) -> Mapping[str, ServerStatus]:
    return {server.name: up(server.name, server.weight) for server in made.servers}


def up(name: str, weight: int) -> ServerStatus:
    return ServerStatus(
        name=name,
        up=True,
        checked=True,
        last_check="",
        weight=weight,
        sessions=0,
        started=0,
        requests=0,
        errors_5xx=0,
        unanswered=0,
        response_milliseconds=0,
    )


def found(**container: Any) -> HostObservation:
    """Return a host on which all is as recorded, but for the live container."""
    one = replica(LIVE, 2, **CURRENT | container)
    made = backend(LIVE, one)
    return host(
        ledger=ENTRIES,
        replicas=(one, STANDBY),
        backend=made,
        servers=servers(made),
        image_ids={LIVE.reference: "sha256:1"},
    )


def kinds(one: HostObservation, of: Ledger = ENTRIES, now: datetime = NOW) -> list[DifferenceKind]:
    found = differences(one, of, PLACEMENT, now=now, has_file=has_file)
    return [difference.kind for difference in found]


def has_file(container_id: str, path: str) -> bool:
    """Have the secret in every container."""
    return path == "/run/secrets/key"


def test_what_is_as_recorded_is_no_drift() -> None:
    """A standby is as recorded, and a host that did not answer says nothing."""
    assert kinds(found()) == []
    assert kinds(host(problem="no answer")) == []
    assert kinds(host(), ledger()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "exited"},
        {"restart": "no"},
        {"memory_bytes": 0},
        {"cpus": 2.0},
        {"pids": 0},
        {"addresses": {"deploy-action_shop_production": "10.0.2.2"}},
        {"image_id": "sha256:2"},
        {"env": {"LEVEL": "debug", "TOKEN": "x"}},
        {"env": {"TOKEN": "x"}},
        {"env": {"LEVEL": "info"}},
        {"host_config": {**host_config(CONFIGURATION.options), "Privileged": True}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_was_changed_at_a_container_is_told(changes: dict[str, Any]) -> None:
    """Each setting by itself, with a way to repair it; a secret's value is never shown."""
    one = found(**changes)
    [difference] = differences(one, ENTRIES, PLACEMENT, now=NOW, has_file=has_file)
    assert difference.kind is DifferenceKind.REPLICA_CHANGED
    assert difference.recorded != difference.found
    assert difference.remedy
    assert "x" not in (difference.recorded, difference.found)


def test_a_secret_file_that_is_gone_is_told() -> None:
    """The container has to be made anew: nobody writes into a running one."""
    [difference] = differences(
        found(), ENTRIES, PLACEMENT, now=NOW, has_file=lambda container_id, path: False
    )
    assert difference.kind is DifferenceKind.REPLICA_CHANGED
    assert (difference.recorded, difference.found) == ("in /run/secrets/key", "nothing")
    assert difference.remedy == "deploy-action restart -e production"


def test_a_replica_that_is_gone_is_missing_in_the_edge_too() -> None:
    """By role and index."""
    one = dataclasses.replace(found(), replicas=(STANDBY,))
    assert kinds(one) == [DifferenceKind.REPLICA_MISSING, DifferenceKind.EDGE_WEIGHT]


def test_a_worker_is_no_servers_concern() -> None:
    """All roles are looked for, and only those with traffic in the edge."""
    target = release("3.0.0", roles=WEB_AND_WORKER)
    entries = ledger(succeeded(3, target))
    ours = [replica(target, 3, role, index) for role, index in ((0, 0), (0, 1), (1, 0))]
    made = backend(target, *ours[:2])
    one = host(ledger=entries, replicas=tuple(ours), backend=made, servers=servers(made))
    assert kinds(one, entries) == []
    alone = dataclasses.replace(one, replicas=tuple(ours[:2]))
    assert kinds(alone, entries) == [DifferenceKind.REPLICA_MISSING]


def test_an_edge_that_is_down_or_edited_is_told() -> None:
    """Both are repaired without touching the release."""
    assert kinds(dataclasses.replace(found(), servers=None)) == [DifferenceKind.EDGE_DOWN]
    assert kinds(dataclasses.replace(found(), edge=EdgeState(edited=True))) == [
        DifferenceKind.EDGE_EDITED
    ]


def test_weights_are_compared_in_the_file_and_in_the_running_edge() -> None:
    """A server that nobody wrote, and a weight that was set by hand."""
    one = found()
    assert one.backend is not None
    assert one.servers is not None
    more = backend(LIVE, one.replicas[0], replica(release("9.0.0", CONFIGURATION), 9))
    written = dataclasses.replace(one, backend=more, servers=servers(more))
    assert kinds(written) == [DifferenceKind.EDGE_WEIGHT]
    by_hand = {name: up(name, 7) for name in one.servers}
    assert kinds(dataclasses.replace(one, servers=by_hand)) == [DifferenceKind.EDGE_WEIGHT]


def test_a_ledger_that_is_torn_or_behind_is_told() -> None:
    """Of this host; the others have what it lacks."""
    damaged = dataclasses.replace(ENTRIES, damaged=("00000003.json",))
    assert kinds(dataclasses.replace(found(), ledger=damaged)) == [DifferenceKind.LEDGER_DAMAGED]


def test_a_host_is_compared_with_its_own_ledger() -> None:
    """What another host records is told, but is not what this one should run."""
    one = found()
    forged = ledger(*ENTRIES.entries, succeeded(9, "6.6.6"))
    assert kinds(one, merge({one.host: ENTRIES, "b": forged})) == [DifferenceKind.LEDGER_DISPUTED]
    other = dataclasses.replace(one, host="b", ledger=forged)
    assert DifferenceKind.REPLICA_MISSING in kinds(other, merge({"b": forged, "c": ENTRIES}))


def test_containers_that_should_not_be_there_are_told() -> None:
    """Those of no release that was live, and kept ones that run; not those still stopping."""
    stranger = replica(release("9.0.0", CONFIGURATION), 9)
    one = found()
    more = dataclasses.replace(one, replicas=(*one.replicas, stranger))
    assert kinds(more) == [DifferenceKind.REPLICA_UNEXPECTED]
    kept = release("0.9.0", CONFIGURATION)
    entries = ledger(succeeded(1, kept), *ENTRIES.entries[1:])
    runs = dataclasses.replace(
        one, ledger=entries, replicas=(one.replicas[0], replica(kept, 1, restart="no"))
    )
    assert kinds(runs, entries) == [DifferenceKind.REPLICA_RUNNING]
    just_now = datetime.fromisoformat(ENTRIES.entries[-1].ended_at) + timedelta(seconds=1)
    assert kinds(runs, entries, just_now) == []
