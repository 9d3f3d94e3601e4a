"""What an earlier run left is settled, on a platform in memory."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from tests.fakes.platform import MemoryPlatform, MemoryStore
from tests.fakes.values import deployment, succeeded
from tests.unit.rollout.samples import Bench

from deploy_action.errors import DeploymentFailed, Interrupted, RollbackFailed, SessionLost
from deploy_action.events.model import WarningMessage
from deploy_action.inputs import Secret
from deploy_action.platforms.protocol import Desired, ReconcileResult
from deploy_action.releases.model import HostOutcome, Release, State
from deploy_action.rollout.recovery import mark_abandoned, recover_interrupted, restore_current

NOW = "2026-01-01T13:00:00.000+00:00"


class Watched(MemoryPlatform):
    """Notes what is desired, and may fail."""

    def __init__(self, machines: Any, *failures: tuple[str, DeploymentFailed]) -> None:
        super().__init__(machines)
        self.desired: list[Mapping[str, Desired]] = []
        self.failures = dict(failures)

    def reconcile(self, desired: Mapping[str, Desired], cancel: Any) -> ReconcileResult:
        """Note what is desired."""
        self.desired.append(desired)
        result = super().reconcile(desired, cancel)
        result.failures.update(self.failures)
        return result


def secrets_of(release: Release) -> Mapping[str, Secret]:
    return {"VERSION": Secret(release.version)}


def recover(bench: Bench, platform: MemoryPlatform, store: MemoryStore) -> Any:
    return recover_interrupted(
        platform, store, secrets=secrets_of, by="run 7", now=NOW, events=bench.events
    )


def test_an_abandoned_deployment_failed_where_its_journal_ends() -> None:
    """The cause names the step and who settled it."""
    entry = deployment(3, step="start", step_text="start replica 1")
    settled = mark_abandoned(entry, ["a", "b"], by="run 7", now=NOW)
    assert (settled.state, settled.ended_at) == (State.FAILED, NOW)
    assert settled.hosts == {"a": HostOutcome.RESTORED, "b": HostOutcome.RESTORED}
    assert "start replica 1" in settled.cause
    assert "run 7" in settled.cause
    assert (settled.number, settled.release, settled.step) == (3, entry.release, "start")
    assert mark_abandoned(deployment(3), ["a"], by="run 7", now=NOW).cause


def test_a_host_learns_only_how_a_deployment_ended_that_it_records() -> None:
    """It gets no entry that it lacks, and none with another content; nothing is reconciled."""
    bench = Bench()
    live = succeeded(1, bench.release("1.0.0"))
    bench.live(live)
    bench.machines["b"].entries[1] = dataclasses.replace(live, state=State.RUNNING, ended_at="")
    bench.machines["a"].entries[2] = succeeded(2, bench.release("1.0.0"))
    platform = Watched(bench.machines)
    with bench.lock() as store:
        seen = recover(bench, platform, store)
    assert platform.desired == []
    assert bench.entries("b") == (live,)
    assert seen.ledger.disputed == {2: ("b",)}


def test_a_host_without_a_ledger_goes_on_serving() -> None:
    """Its volume was lost, or it joined: it is neither emptied nor filled from another host."""
    bench = Bench()
    bench.live(succeeded(1, bench.release("1.0.0")))
    bench.machines["b"].entries.clear()
    platform = Watched(bench.machines)
    with bench.lock() as store:
        recover(bench, platform, store)
        restore_current(platform, platform.observe(), secrets_of)
    assert [sorted(desired) for desired in platform.desired] == [["a"]]
    assert bench.entries("b") == ()
    assert bench.serving() == ["1.0.0", "1.0.0"]


def test_an_unfinished_deployment_is_undone_and_marked() -> None:
    """Its replicas go, the release before serves; a host where it never began has no entry."""
    bench = Bench()
    bench.live(succeeded(1, bench.release("1.0.0")))
    unfinished = deployment(2, bench.release("2.0.0"))
    bench.machines["a"].entries[2] = unfinished
    bench.machines["a"].start(unfinished.release)
    bench.machines["a"].switch(unfinished.release)
    platform = Watched(bench.machines)
    with bench.lock() as store:
        seen = recover(bench, platform, store)
        assert recover(bench, platform, store) == seen
    assert bench.serving() == ["1.0.0", "1.0.0"]
    settled = mark_abandoned(unfinished, ["a", "b"], by="run 7", now=NOW)
    assert bench.entries("a")[1:] == (settled,)
    assert bench.entries("b")[1:] == ()
    assert seen.ledger.entries[-1] == settled
    assert len(platform.desired) == 1
    assert len([e for e in bench.seen.events if isinstance(e, WarningMessage)]) == 1


def test_orphans_alone_are_removed_too() -> None:
    """A replica without an entry: the ledger could not be written before it died."""
    bench = Bench()
    bench.live(succeeded(1, bench.release("1.0.0")))
    bench.machines["b"].start(bench.release("9.0.0"))
    with bench.lock() as store:
        seen = recover(bench, bench.platform, store)
    assert seen.orphans() == ()
    assert bench.entries() == (succeeded(1, bench.release("1.0.0")),)


def test_a_first_deployment_that_died_is_taken_off() -> None:
    """Nothing has ever succeeded."""
    bench = Bench()
    unfinished = deployment(1, bench.release("1.0.0"))
    for machine in bench.machines.values():
        machine.entries[1] = unfinished
        machine.start(unfinished.release)
    with bench.lock() as store:
        recover(bench, bench.platform, store)
    assert [machine.releases for machine in bench.machines.values()] == [{}, {}]
    assert bench.entries()[-1].state is State.FAILED


def test_what_is_restored_gets_todays_secrets_and_its_own_time_to_drain() -> None:
    """Those of the release that is live, which are asked for once it is known."""
    bench = Bench()
    live = succeeded(1, bench.release("1.0.0"))
    bench.live(live)
    platform = Watched(bench.machines)
    with bench.lock():
        restore_current(platform, platform.observe(), secrets_of)
    [desired] = platform.desired
    assert sorted(desired) == ["a", "b"]
    for one in desired.values():
        assert one.deployment == live
        assert one.succeeded == (live.release.id,)
        assert one.secrets["VERSION"].reveal() == "1.0.0"
        assert one.drain_seconds == live.release.configuration.stop.drain_seconds


def test_a_release_that_cannot_be_brought_back_needs_a_person() -> None:
    """The entry stays unfinished, so the next command tries again."""
    bench = Bench()
    bench.live(succeeded(1, bench.release("1.0.0")))
    for machine in bench.machines.values():
        machine.entries[2] = deployment(2, bench.release("2.0.0"))
    bench.machines["b"].broken = True
    with bench.lock() as store:
        with pytest.raises(RollbackFailed) as raised:
            recover(bench, bench.platform, store)
        assert isinstance(raised.value.__cause__, DeploymentFailed)
        assert bench.entries()[-1].state is State.RUNNING
        bench.machines["b"].broken = False
        recover(bench, bench.platform, store)
    assert bench.entries()[-1].state is State.FAILED


@pytest.mark.parametrize("kind", [Interrupted, SessionLost])
def test_a_signal_or_a_lost_lock_is_told_before_what_failed_by_it(
    kind: type[DeploymentFailed],
) -> None:
    """The next command settles it; it is no failure of the undo."""
    bench = Bench()
    bench.live(succeeded(1, bench.release("1.0.0")))
    bench.machines["a"].entries[2] = deployment(2, bench.release("2.0.0"))
    failures = (("a", DeploymentFailed("first")), ("b", kind("stopped")))
    platform = Watched(bench.machines, *failures)
    with bench.lock() as store, pytest.raises(kind):
        recover(bench, platform, store)
    assert bench.entries()[-1].state is State.RUNNING


def test_what_runs_is_left_where_nothing_has_to_be_done() -> None:
    """Reconciling what serves already does nothing."""
    bench = Bench()
    bench.live(succeeded(1, bench.release("1.0.0")))
    before = [dict(machine.releases) for machine in bench.machines.values()]
    with bench.lock():
        assert restore_current(bench.platform, bench.platform.observe(), secrets_of).notes == []
    assert [machine.releases for machine in bench.machines.values()] == before
    assert bench.platform.observe().releases["a"][bench.release("1.0.0").id]["running"] == Counter(
        {"web": 1}
    )
