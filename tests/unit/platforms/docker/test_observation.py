"""What follows from an observation, as pure functions."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.fakes.values import (
    WEB_AND_WORKER,
    deployment,
    environment,
    ledger,
    release,
    succeeded,
)
from tests.unit.platforms.docker.samples import backend, host, observation, replica

from deploy_action.config.model import Strategy
from deploy_action.platforms.docker.observation import (
    DockerObservation,
    is_leaving,
    is_on_standby,
)
from deploy_action.releases.model import Deployment, Release, State

OLD, LIVE, FAILED = release("1.0.0"), release("2.0.0"), release("9.0.0")
ENTRIES = (
    succeeded(1, OLD),
    succeeded(2, LIVE, previous=OLD.id),
    deployment(3, FAILED, state=State.FAILED),
)


def test_ledgers_of_hosts_are_one() -> None:
    """A finished entry of one host stands before an unfinished one of another."""
    unfinished, done = deployment(1, OLD), succeeded(1, OLD)
    hosts = [
        dataclasses.replace(host("a"), ledger=ledger(unfinished)),
        dataclasses.replace(host("b"), ledger=ledger(done, deployment(2, LIVE))),
    ]
    merged = DockerObservation.of(hosts).ledger
    assert [(entry.number, entry.state) for entry in merged.entries] == [
        (1, State.SUCCEEDED),
        (2, State.RUNNING),
    ]


def test_a_host_that_could_not_be_observed_is_a_problem() -> None:
    """The others are shown."""
    found = observation([host("a"), host("b", problem="no answer")])
    assert found.problems == {"b": "no answer"}
    assert found.host("a").problem == ""


@pytest.mark.parametrize(
    ("target", "changes", "orphaned"),
    [
        (LIVE, {}, False),
        (LIVE, {"status": "exited"}, False),
        (OLD, {"status": "exited", "restart": "no"}, False),
        (OLD, {"restart": "unless-stopped"}, True),
        (OLD, {"restart": "no"}, False),
        (FAILED, {}, True),
        (FAILED, {"status": "exited"}, True),
    ],
    ids=["live", "live but stopped", "kept", "running", "stopping", "failed", "failed, stopped"],
)
def test_an_orphan_is_neither_live_nor_kept_nor_stopping(
    target: Release, changes: dict[str, Any], orphaned: bool
) -> None:
    """Drained and asked to stop is what every deployment leaves for a while."""
    one = replica(target, 5, **changes)
    found = observation([host(replicas=(one,), backend=backend(LIVE, replica(LIVE, 2)))], ENTRIES)
    assert found.orphans() == ((f"{one.name} on a",) if orphaned else ())


def test_without_a_live_release_everything_is_orphaned_that_never_was_live() -> None:
    """A first deployment that died; a host that records nothing is not judged."""
    one = replica(FAILED)
    begun = (deployment(1, FAILED),)
    assert observation([host(replicas=(one,))], begun).orphans() == (f"{one.name} on a",)
    assert observation([host(replicas=(one,))]).orphans() == ()


def test_a_standby_runs_to_stay() -> None:
    """As the ledger wants it; one that was asked to stop does not stand by."""
    configuration = environment(strategy=Strategy(standby=True))
    old, live = release("1.0.0", configuration), release("2.0.0", configuration)
    current = succeeded(2, live, previous=old.id)
    up, stopping = replica(old, 1), replica(old, 1, restart="no")
    assert is_on_standby(up, current.standby)
    assert not is_on_standby(stopping, current.standby)
    assert not is_on_standby(replica(live, 2), current.standby)
    found = observation([host(replicas=(up,))], (succeeded(1, old), current))
    assert found.orphans() == ()


def test_what_is_in_the_edge_is_not_leaving() -> None:
    """Nor is what the engine revives, or anything where no edge tells."""
    served = backend(LIVE, replica(LIVE, 2))
    assert is_leaving(replica(OLD, 1, restart="no"), served)
    assert not is_leaving(replica(LIVE, 2, restart="no"), served)
    assert not is_leaving(replica(OLD, 1), served)
    assert not is_leaving(replica(OLD, 1, restart="no"), None)


def test_a_host_without_every_replica_of_every_role_is_named() -> None:
    """Stopped ones count: they can be started again."""
    target = release("1.0.0", roles=WEB_AND_WORKER)
    whole = [replica(target, 1, 0, 0), replica(target, 1, 0, 1), replica(target, 1, 1, 0)]
    found = observation(
        [
            host("a", replicas=tuple(whole)),
            host("b", replicas=tuple(whole[:2])),
            host("c", replicas=tuple(whole[1:])),
            host("d"),
        ]
    )
    assert found.without_replicas(target) == ("b", "c", "d")


def test_a_host_without_the_image_is_named() -> None:
    """By the reference with its digest."""
    found = observation([host("a", image_ids={OLD.reference: "sha256:1"}), host("b")])
    assert found.without_image(OLD) == ("b",)


def test_what_would_be_found_after_one_more_deployment() -> None:
    """The ledger with its entry; nothing where none was made."""
    found = observation([host("a")], ENTRIES)
    after: Deployment = succeeded(4, "4.0.0")
    assert found.after(after).ledger.entries == (*ENTRIES, after)
    assert found.after(None) is found
