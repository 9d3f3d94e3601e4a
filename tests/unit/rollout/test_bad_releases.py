"""Releases that do not come up, on hosts of tests/fakes: undone, explained, and never noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.fakes.application import Application
from tests.fakes.process import Fault, Process
from tests.fakes.world import BACKEND, World, code_of, make_world

from deploy_action.errors import ErrorCode, ExitCode, Interrupted, LockHeld, SessionLost
from deploy_action.releases.model import HostOutcome, State
from deploy_action.results.notes import NoteCode
from deploy_action.results.outcome import Result
from deploy_action.results.reports import DifferenceKind, Drift
from deploy_action.rollout.log import explain

WORKER = dict.fromkeys(("port", "route", "health", "probe")) | {"stop": {"timeout": "3s"}}
HOSTS = ("ssh://deploy@a", "ssh://deploy@b")

BAD: dict[str, tuple[Application, ErrorCode]] = {
    "ends at once": (
        Application(version="9.0.0", ready_seconds=9, ends_seconds=0.0, exit_code=1),
        ErrorCode.REPLICA_EXITED,
    ),
    "ends with 0": (
        Application(version="9.0.0", ready_seconds=9, ends_seconds=0.3),
        ErrorCode.REPLICA_EXITED,
    ),
    "out of memory": (
        Application(
            version="9.0.0", ready_seconds=9, ends_seconds=0.2, exit_code=137, out_of_memory=True
        ),
        ErrorCode.OUT_OF_MEMORY,
    ),
    "never ready": (
        Application(version="9.0.0", ready_seconds=float("inf")),
        ErrorCode.REPLICA_UNHEALTHY,
    ),
    "ready too late": (
        Application(version="9.0.0", ready_seconds=5.5),
        ErrorCode.REPLICA_UNHEALTHY,
    ),
    "flaps": (Application(version="9.0.0", flaps_seconds=0.05), ErrorCode.REPLICA_UNHEALTHY),
    "another version": (
        Application(version="9.0.0", says_version="8.0.0"),
        ErrorCode.WRONG_RELEASE,
    ),
    "no entry point": (
        Application(version="9.0.0", refusal='exec: "serve": executable file not found in $PATH'),
        ErrorCode.REPLICA_NOT_STARTED,
    ),
}


@pytest.fixture(params=[("local",), HOSTS], ids=["one host", "two hosts"])
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Hosts on which 1.0.0 and then 2.0.0 were deployed."""
    made = make_world(tmp_path, monkeypatch, hosts=request.param)
    made.deployed("1.0.0", "2.0.0")
    return made


def assert_undisturbed(world: World, serves: str = "2.0.0") -> None:
    """Nobody noticed anything, and nothing is left."""
    assert list(world.troubles()) == []
    assert world.outages() == []
    assert {m.through_edge(8088).version for m in world.machines.values()} == {serves}  # type: ignore[union-attr]


@pytest.mark.parametrize("said", ["ping: socket: Operation not permitted", "no such table"])
def test_a_right_that_an_application_lacks_is_told(world: World, said: str) -> None:
    """By the key that gives it back, and only where the log has the kernel's words."""
    world.publish(
        Application(version="9.0.0", ready_seconds=9, ends_seconds=0.2, exit_code=1, says=(said,))
    )
    done = world.deploy("9.0.0")
    assert done.error is not None
    assert done.error.code is ErrorCode.REPLICA_EXITED
    assert ("cap_add: [NET_RAW]" in done.error.remedy) == ("not permitted" in said)
    assert_undisturbed(world)


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_release_is_undone_and_explained(world: World, kind: str) -> None:
    """Exit code 4, the cause in words and in the ledger of every host, its log in the report."""
    application, code = BAD[kind]
    world.publish(application)
    done = world.deploy("9.0.0")
    assert done.exit_code is ExitCode.DEPLOYMENT_FAILED
    assert done.error is not None
    assert done.error.code is code
    assert_undisturbed(world)
    for host in world.machines:
        last = world.ledger(host)[-1]
        assert (last.state, last.release.version) == (State.FAILED, "9.0.0")
        assert last.cause == explain(done.error)
        assert set(last.hosts.values()) == {HostOutcome.RESTORED}
    if not application.refusal:
        assert any("9.0.0" in excerpt.title and excerpt.lines for excerpt in done.excerpts)


@pytest.mark.parametrize("kind", ["ends at once", "never ready"])
def test_a_bad_first_release_leaves_nothing_behind(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first deployment is judged like every other; there is nothing to go back to."""
    world = make_world(tmp_path, monkeypatch)
    world.publish(BAD[kind][0])
    done = world.deploy("9.0.0")
    assert done.exit_code is ExitCode.DEPLOYMENT_FAILED
    assert list(world.troubles()) == []
    assert list(world.replicas()) == []
    assert world.machines["local"].weights(BACKEND) == {}


def test_a_container_that_ends_is_noticed_long_before_the_deadline(world: World) -> None:
    """Nobody waits five seconds to learn what is known after one look."""
    world.publish(BAD["ends at once"][0])
    before = world.clock.monotonic()
    world.deploy("9.0.0")
    assert world.clock.monotonic() - before < 1.0


def test_ready_just_before_the_deadline_is_a_success(world: World) -> None:
    """A slow starter is not a bad release."""
    world.publish(Application(version="9.0.0", ready_seconds=4.5))
    done = world.deploy("9.0.0")
    assert done.error is None, str(done.error)
    assert_undisturbed(world, "9.0.0")


def slow_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> World:
    """Make hosts on which a release serves that ignores the signal to end."""
    world = make_world(tmp_path, monkeypatch, **changes)
    world.publish(Application(version="1.0.0", stop_seconds=60))
    world.deployed("1.0.0")
    return world


def test_nobody_waits_for_an_old_release_that_does_not_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine kills it when its time is up; the next deployment, and only that, names it."""
    world = slow_to_end(tmp_path, monkeypatch)
    begun = world.clock.monotonic()
    done = world.deploy("2.0.0")
    assert (done.error, done.notes) == (None, ())
    assert world.clock.monotonic() - begun < 1
    assert_undisturbed(world)
    told = world.deploy("3.0.0")
    assert [code_of(note) for note in told.notes] == [NoteCode.REPLICA_KILLED], told.notes
    world.publish(Application(version="4.0.0"))
    again = world.deploy("4.0.0")
    assert (again.error, again.notes) == (None, ())


@pytest.mark.parametrize(
    "changes",
    [
        {"stop": {"timeout": "3s", "signal": "SIGINT"}},
        WORKER,
    ],
    ids=["a signal of its own", "a worker"],
)
def test_what_may_not_be_left_alone_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    """Two workers must not go on beside each other, and only we know a signal of the user's."""
    world = slow_to_end(tmp_path, monkeypatch, **changes)
    done = world.deploy("2.0.0")
    assert done.error is None
    assert [code_of(note) for note in done.notes] == [NoteCode.REPLICA_KILLED], done.notes
    assert [c.status for _, c in world.replicas()] == ["exited", "running"]


@pytest.mark.parametrize("command", ["deploy", "rollback"])
def test_a_command_that_follows_at_once_meets_what_is_still_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """It is no sign of a deployment that was cut short; to come back it has to end first."""
    world = slow_to_end(tmp_path, monkeypatch)
    assert world.deploy("2.0.0").error is None
    assert [c.status for _, c in world.replicas()] == ["running", "running"]
    done = world.deploy("3.0.0") if command == "deploy" else world.outcome(command)
    assert (done.error, done.exit_code) == (None, ExitCode.DONE)
    assert_undisturbed(world, "3.0.0" if command == "deploy" else "1.0.0")


def test_what_is_still_ending_is_no_drift_until_its_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody did it, and nobody has to do anything."""
    world = slow_to_end(tmp_path, monkeypatch)
    assert world.deploy("2.0.0").error is None
    old = next(c for _, c in world.replicas() if c.spec.labels["deploy-action.version"] == "1.0.0")
    assert old.status == "running"
    found = world.run("drift")
    assert isinstance(found, Drift)
    assert found.differences == ()
    # As if nobody had asked it to end.
    old.exits = (float("inf"), 0)
    world.clock.sleep(60)
    later = world.run("drift")
    assert isinstance(later, Drift)
    assert [d.kind for d in later.differences] == [DifferenceKind.REPLICA_RUNNING]


@pytest.mark.parametrize("version", ["2.0.0", "3.0.0"])
def test_what_somebody_wrote_into_the_edges_file_is_drift_until_the_next_deployment(
    world: World, version: str
) -> None:
    """The same version again puts it right, too; both say that they did."""
    for machine in world.machines.values():
        for volume in machine.volumes.values():
            written = volume.files["edge/haproxy.cfg"]
            volume.files["edge/haproxy.cfg"] = written.replace(b"connect 2s", b"connect 9s")
    found = world.run("drift")
    assert isinstance(found, Drift)
    assert [d.kind for d in found.differences] == [DifferenceKind.EDGE_EDITED] * len(world.machines)
    done = world.deploy(version)
    assert done.exit_code is ExitCode.DONE, str(done.error)
    assert [code_of(note) for note in done.notes] == [NoteCode.EDGE_REWRITTEN] * len(world.machines)
    for machine in world.machines.values():
        (content,) = machine.files("edge/haproxy.cfg").values()
        assert b"connect 2s" in content
    mended = world.run("drift")
    assert isinstance(mended, Drift)
    assert mended.differences == ()


def test_the_same_release_again_changes_nothing(world: World) -> None:
    """No container but the lock, no entry, no change of the edge."""
    before = [(m.created, m.files("edge/")) for m in world.machines.values()]
    done = world.deploy("2.0.0")
    assert (done.result, done.exit_code) == (Result.UNCHANGED, ExitCode.DONE)
    after = [(m.created, m.files("edge/")) for m in world.machines.values()]
    assert after == [(created + 1, files) for created, files in before]
    assert_undisturbed(world)


@pytest.mark.parametrize("act", ["stop", "remove"])
def test_the_same_release_again_repairs_what_somebody_stopped(world: World, act: str) -> None:
    """A replica that was stopped or removed by hand is brought back."""
    machine, container = next(
        (m, c) for m, c in world.replicas() if c.spec.labels["deploy-action.version"] == "2.0.0"
    )
    machine.end(container, 143)
    if act == "remove":
        del machine.containers[container.id]
    done = world.deploy("2.0.0")
    assert (done.result, bool(done.notes)) == (Result.UNCHANGED, True)
    assert list(world.troubles()) == []


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.LOST])
def test_a_way_back_that_fails_is_told_and_settled_by_the_next_command(
    fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 5 or 4, what served goes on serving, and the next command puts all in order."""

    def prepare() -> World:
        world = make_world(tmp_path, monkeypatch)
        world.deployed("1.0.0")
        world.configure(hooks={"post_deploy": [{"name": "warm-up", "run": ["exit", "3"]}]})
        return world

    world, calm = prepare(), Process()
    assert world.deploy("3.0.0", calm).exit_code is ExitCode.DEPLOYMENT_FAILED
    failed = max(n for n, words in enumerate(calm.calls) if "hook_warm-up" in words) + 1
    codes = set()
    for number in range(failed, len(calm.calls)):
        world, process = prepare(), Process(fault=fault, at=number)
        done = world.deploy("3.0.0", process)
        codes.add(done.exit_code)
        where = f"{fault} at {number}: {process.struck}: {done.error}"
        assert world.outages() == [], where
        assert world.machines["local"].unserved(BACKEND) == "", where
        state = world.ledger("local")[-1].state
        if done.exit_code is ExitCode.ROLLBACK_FAILED:
            # With the session the ledger is out of reach: the next command completes it.
            assert state is (State.UNRESOLVED if fault is Fault.REFUSED else state), where
        else:
            assert done.exit_code is ExitCode.DEPLOYMENT_FAILED, where
            unwritten = NoteCode.LEDGER_NOT_WRITTEN in map(code_of, done.notes)
            left = isinstance(done.error, SessionLost)
            assert left or unwritten or state is State.FAILED, where
        world.configure(hooks=None)
        assert world.deploy("2.0.0").error is None, where
        assert list(world.troubles()) == [], where
        assert world.outages() == [], where
    assert ExitCode.DEPLOYMENT_FAILED in codes
    assert fault is Fault.LOST or ExitCode.ROLLBACK_FAILED in codes


def test_a_signal_on_the_way_back_does_not_stop_it(world: World) -> None:
    """The way back is gone to its end, and the ledger says why it was gone."""
    world.publish(BAD["ends at once"][0])
    name = f"{BACKEND}_9.0.0_3"
    process = Process(fault=Fault.SIGNAL, at=0, matches=lambda words: f"remove {name}" in words)
    done = world.deploy("9.0.0", process)
    assert process.struck
    assert not isinstance(done.error, Interrupted)
    assert done.error is not None
    assert done.error.code is ErrorCode.REPLICA_EXITED
    assert_undisturbed(world)


def test_of_two_deployers_one_has_the_lock_and_the_other_names_it(world: World) -> None:
    """Nothing is changed by the second; its message says who holds the lock since when."""
    host, machine = next(iter(world.machines.items()))
    refused: list[Any] = []

    def meanwhile(words: str) -> bool:
        if "create shop_production_3.0.0" in words and not refused:
            refused.append(None)
            ours, world.process = world.process, Process()
            refused[0] = world.run("deploy", version="1.0.0")
            world.process = ours
        return False

    done = world.deploy("3.0.0", Process(matches=meanwhile))
    assert done.error is None, str(done.error)
    assert isinstance(refused[0].error, LockHeld)
    assert refused[0].exit_code is ExitCode.LOCK_HELD
    assert "ada" in str(refused[0].error)
    assert host in world.machines
    assert machine.outages == []
    assert_undisturbed(world, "3.0.0")


def test_a_lock_that_was_taken_away_stops_its_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever lost the lock changes nothing any more; the next command settles what it began."""
    world = make_world(tmp_path, monkeypatch)
    world.deployed("1.0.0")
    machine = world.machines["local"]

    def taken(words: str) -> bool:
        if "session put" in words and any("2.0.0" in c.spec.name for _, c in world.replicas()):
            for container in list(machine.containers.values()):
                if container.spec.labels.get("deploy-action.kind") == "lock":
                    machine.end(container, 137)
        return False

    process = Process(matches=taken)
    done = world.deploy("2.0.0", process)
    assert isinstance(done.error, SessionLost)
    assert done.exit_code is ExitCode.DEPLOYMENT_FAILED
    assert world.ledger("local")[-1].state is State.RUNNING
    assert world.outages() == []
    assert world.outcome("rollback", to="1.0.0").exit_code is ExitCode.DONE
    assert world.ledger("local")[-1].state is State.FAILED
    assert_undisturbed(world, "1.0.0")


def test_a_full_disk_is_found_before_anything_is_changed(world: World) -> None:
    """No room for the outcome means that nothing begins."""
    for machine in world.machines.values():
        machine.disk_full = True
    before = [c.id for _, c in world.replicas()]
    done = world.deploy("3.0.0")
    assert done.exit_code is ExitCode.DEPLOYMENT_FAILED
    assert done.error is not None
    assert done.error.code is ErrorCode.DISK_FULL
    assert [c.id for _, c in world.replicas()] == before
    assert world.outages() == []


def test_a_disk_that_fills_up_on_the_way_still_takes_the_outcome(world: World) -> None:
    """Room for it was kept aside."""
    world.publish(BAD["never ready"][0])

    def full(words: str) -> bool:
        if "create shop_production_9.0.0" in words:
            for machine in world.machines.values():
                machine.disk_full = True
        return False

    done = world.deploy("9.0.0", Process(matches=full))
    assert done.exit_code is ExitCode.DEPLOYMENT_FAILED
    assert_undisturbed(world)
    assert {world.ledger(host)[-1].state for host in world.machines} == {State.FAILED}


def test_an_edge_that_refuses_its_new_configuration_keeps_the_old_routes(world: World) -> None:
    """What it said is the cause."""
    for machine in world.machines.values():
        machine.refuses_edge = "unknown keyword 'sevrer'"
    done = world.deploy("3.0.0")
    assert done.error is not None
    assert done.error.code is ErrorCode.EDGE_REFUSED
    assert "unknown keyword" in str(done.error)
    assert world.outages() == []
    for machine in world.machines.values():
        machine.refuses_edge = ""
    assert world.deploy("3.0.0").error is None
    assert_undisturbed(world, "3.0.0")
