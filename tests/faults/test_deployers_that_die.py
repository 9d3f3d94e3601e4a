"""The deployer is killed, cancelled, stopped or doubled: rows 16, 17, 27 to 31 and 49 to 51."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pytest
from tests.support.sandbox import (
    Finished,
    Sandbox,
    await_event,
    await_step,
    docker,
    kill_group,
    until,
)

from deploy_action.rollout.step import StepId

pytestmark = pytest.mark.docker

LONG = pytest.mark.faults

# When a step begins, for the first or second time; None is before the first step.
STEPS = [
    pytest.param(None, 1, id="begin", marks=LONG),
    pytest.param(StepId.START, 1, id="start-1", marks=LONG),
    pytest.param(StepId.START, 2, id="start-2"),
    pytest.param(StepId.VERIFY, 1, id="verify", marks=LONG),
    pytest.param(StepId.CHECK_REPLICA, 1, id="smoke", marks=LONG),
    pytest.param(StepId.SHIFT_TRAFFIC, 1, id="switch"),
    pytest.param(StepId.CHECK_EDGE, 1, id="smoke-edge", marks=LONG),
    pytest.param(StepId.CLEAN_UP, 1, id="retire"),
]


def _kill_when_locked(shop: Sandbox) -> None:
    assert shop.lock_is_free()
    process = shop.start("deploy", "--version", "2.0.0")
    until(shop.lock_is_taken, "the lock is taken")
    _kill(process)


def _kill_at(shop: Sandbox, step: StepId, *argv: str, times: int = 1) -> None:
    """Start a command, and kill it as soon as a step began for the given time."""
    assert shop.lock_is_free()
    process = shop.start(argv[0], "--progress-json", *argv[1:])
    await_step(process, step, times=times)
    _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    kill_group(process)
    process.communicate()


@pytest.mark.parametrize(("step", "times"), STEPS)
def test_a_deployer_killed_at_any_step_leaves_a_release_that_serves(
    shop: Sandbox, step: StepId | None, times: int
) -> None:
    """Row 16: traffic is unbroken, the lock frees itself, and the next command settles it."""
    shop.configure(replicas=2)
    shop.deployed("1.0.0")
    with shop.load() as stop:
        if step is None:
            _kill_when_locked(shop)
        else:
            _kill_at(shop, step, "deploy", "--version", "2.0.0", times=times)
        until(shop.lock_is_free, "the lock frees itself", 5)
        assert shop.serving() in ("1.0.0", "2.0.0")
        done = shop.deploy("2.0.0")
        seen = stop()
    assert done.exit_code == 0, done.text
    assert seen.lost == 0, f"{seen} {seen.examples}\n{done.text}"
    assert shop.serving() == "2.0.0"
    drift = shop.run("drift")
    assert drift.exit_code == 0, drift.text
    assert not [e for e in shop.history() if e["state"] == "running"]


@LONG
@pytest.mark.parametrize("milliseconds", range(300, 1800, 100))
def test_a_deployer_killed_at_any_time_leaves_a_release_that_serves(
    shop: Sandbox, milliseconds: int
) -> None:
    """Row 16 again, with no regard for steps."""
    with shop.load() as stop:
        process = shop.start("deploy", "--version", "2.0.0")
        end = time.monotonic() + milliseconds / 1000
        until(lambda: time.monotonic() >= end, "the time of the kill")
        kill_group(process)
        process.communicate()
        until(shop.lock_is_free, "the lock frees itself", 5)
        done = shop.run("rollback", "--to", "1.0.0")
        seen = stop()
    assert done.exit_code == 0, done.text
    assert seen.lost == 0, f"{seen} {seen.examples}\n{done.text}"
    assert shop.serving() == "1.0.0"
    assert shop.run("drift").exit_code == 0


@LONG
@pytest.mark.parametrize("step", [StepId.START, StepId.SHIFT_TRAFFIC, StepId.CLEAN_UP])
def test_a_killed_rollback_is_finished_by_the_next_one(shop: Sandbox, step: StepId) -> None:
    """Row 16: what is killed may be a rollback, too."""
    shop.deployed("2.0.0")
    with shop.load() as stop:
        _kill_at(shop, step, "rollback")
        until(shop.lock_is_free, "the lock frees itself", 5)
        done = shop.run("rollback", "--to", "1.0.0")
        seen = stop()
    assert done.exit_code == 0, done.text
    assert seen.lost == 0, f"{seen} {seen.examples}\n{done.text}"
    assert shop.serving() == "1.0.0"
    assert shop.run("drift").exit_code == 0


@LONG
def test_a_way_back_that_is_killed_is_gone_again(shop: Sandbox) -> None:
    """Row 16: the release is broken and the deployer dies while it undoes it."""
    with shop.load() as stop:
        assert shop.lock_is_free()
        process = shop.start("deploy", "--progress-json", "--version", "3.0.0-broken")
        await_event(process, "undo-started")
        _kill(process)
        until(shop.lock_is_free, "the lock frees itself", 5)
        assert shop.serving() == "1.0.0"
        done = shop.deploy("2.0.0")
        seen = stop()
    assert done.exit_code == 0, done.text
    assert seen.lost == 0, f"{seen} {seen.examples}\n{done.text}"
    assert [e["state"] for e in shop.history()] == ["succeeded", "failed", "succeeded"]
    assert not [name for name in shop.containers() if "broken" in name]
    assert shop.run("drift").exit_code == 0


def test_a_cancelled_workflow_is_consistent_within_ten_seconds(shop: Sandbox) -> None:
    """Row 17: SIGINT undoes all; the SIGTERM that GitHub sends later finds nothing to disturb."""
    shop.configure(bake="60s")
    with shop.load() as stop:
        process = shop.start("deploy", "--progress-json", "--json", "--version", "2.0.0")
        await_step(process, StepId.BAKE)
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=7.5)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=2.5)
        took = time.monotonic() - begun
        seen = stop()
    assert process.returncode == 4, out + err
    assert took < 10
    assert "SIGINT" in json.loads(out)["error"]["what"]
    assert seen.lost == 0, f"{seen} {seen.examples}"
    assert shop.serving() == "1.0.0"
    assert shop.lock_is_free()
    assert shop.history()[0]["state"] == "failed"
    assert len(shop.containers()) == 1


@LONG
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_deployer_told_to_end_while_it_waits_undoes_at_once(shop: Sandbox, number: int) -> None:
    """Row 17: a minute of waiting is left, and the candidate is gone within seconds."""
    shop.configure(env={"READY_AFTER": "60"}, health={"path": "/healthz", "deadline": "120s"})
    with shop.load() as stop:
        process = shop.start("deploy", "--progress-json", "--json", "--version", "2.0.0")
        await_step(process, StepId.VERIFY)
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        seen = stop()
    done = Finished(exit_code=process.returncode, out=out, err=err)
    shop.assert_survived(done, serves="1.0.0", seen=seen, says=[signal.Signals(number).name])


@LONG
def test_of_eight_deployments_at_once_exactly_one_is_carried_out(shop: Sandbox) -> None:
    """Row 27: the others are refused, each naming who holds the lock."""
    shop.configure(bake="15s")
    with shop.unbroken():
        started = {
            actor: shop.start(
                "deploy", "--json", "--version", "2.0.0", "--actor", f"{actor}-the-actor"
            )
            for actor in ("ada", "bob", "cleo", "dana", "emil", "fay", "gus", "hana")
        }
        ended = {
            actor: (process.communicate(), process.returncode) for actor, process in started.items()
        }
        winners = [actor for actor, (_, code) in ended.items() if code == 0]
        assert len(winners) == 1, ended
        for actor, ((out, err), code) in ended.items():
            if actor not in winners:
                assert code == 6, out + err
                assert f"{winners[0]}-the-actor" in out
        assert len(shop.history()) == 2
        assert shop.serving() == "2.0.0"


def test_of_two_deployments_at_once_one_wins_and_the_other_names_the_holder(shop: Sandbox) -> None:
    """Row 27: exit 6 with who holds the lock; with --lock-wait the second waits for its turn."""
    shop.configure(bake="4s")
    with shop.unbroken():
        assert shop.lock_is_free()
        first = shop.start("deploy", "--json", "--version", "2.0.0", "--actor", "ada")
        until(shop.lock_is_taken, "the first has the lock")
        refused = shop.deploy("1.0.0")
        assert refused.exit_code == 6, refused.text
        assert "ada" in refused.text
        waited = shop.deploy("1.0.0", "--lock-wait", "60s")
        out, err = first.communicate()
        assert first.returncode == 0, out + err
        assert waited.exit_code == 0, waited.text
        assert [e["release"]["version"] for e in shop.history()] == ["1.0.0", "2.0.0", "1.0.0"]


def test_a_forced_unlock_is_recorded_and_stops_the_one_that_had_the_lock(shop: Sandbox) -> None:
    """Rows 28 and 29: whoever lost the lock cannot change anything any more."""
    shop.configure(bake="60s")
    with shop.unbroken():
        process = shop.start("deploy", "--progress-json", "--json", "--version", "2.0.0")
        await_step(process, StepId.BAKE)
        refused = shop.run("unlock")
        assert refused.exit_code == 6, refused.text
        done = shop.run("unlock", "--force", "--reason", "the runner was lost", "--actor", "grace")
        assert done.exit_code == 0, done.text
        out, err = process.communicate(timeout=30)
        assert process.returncode == 4, out + err
        assert json.loads(out)["error"]["code"] == "session-lost"
        assert shop.serving() == "1.0.0"
        newest = shop.history()[0]
        assert newest["state"] == "failed"
        assert any("grace" in note and "runner was lost" in note for note in newest["warnings"])
        assert shop.run("drift").exit_code == 0


@LONG
@pytest.mark.timeout(180)
def test_a_stopped_deployer_that_wakes_up_later_is_fenced_off(shop: Sandbox) -> None:
    """Row 29: its lease ran out, somebody else deployed, and it can only give up."""
    shop.configure(bake="90s")
    with shop.unbroken():
        process = shop.start("deploy", "--progress-json", "--json", "--version", "2.0.0")
        await_step(process, StepId.BAKE)
        kill_group(process, signal.SIGSTOP)
        until(shop.lock_is_free, "the lease runs out", 45)
        shop.configure(bake=None)
        done = shop.run("rollback", "--to", "1.0.0")
        assert done.exit_code == 0, done.text
        kill_group(process, signal.SIGCONT)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 4, out + err
        assert shop.serving() == "1.0.0"
        assert shop.run("drift").exit_code == 0


def test_the_same_release_again_changes_nothing(shop: Sandbox) -> None:
    """Row 30: exit 0, no new entry, the same container."""
    with shop.unbroken():
        before = shop.containers()
        done = shop.deploy("1.0.0")
        assert done.exit_code == 0, done.text
        assert done.json["result"] == "unchanged"
        assert shop.containers() == before
        assert len(shop.history()) == 1


@pytest.mark.faults
def test_the_target_of_a_rollback_is_the_last_stable_release(shop: Sandbox) -> None:
    """Row 31: bad after bad, good after bad, and a kill in between do not change that."""
    with shop.unbroken():
        shop.deployed("2.0.0")
        for _ in range(2):
            assert shop.deploy("3.0.0-broken").exit_code == 4
        _kill_when_locked(shop)
        assert shop.serving() == "2.0.0"
        done = shop.run("rollback")
        assert done.exit_code == 0, done.text
        assert shop.serving() == "1.0.0"
        again = shop.run("rollback")
        assert again.exit_code == 4, again.text
        assert shop.serving() == "1.0.0"


def test_a_torn_ledger_entry_is_named_and_the_others_are_intact(shop: Sandbox) -> None:
    """Row 50: the newest file is cut in half; history flags it and a deployment goes on."""
    shop.deployed("2.0.0")
    file = "/state/ledger/shop/production/00000002.json"
    docker("exec", shop.edge, "truncate", "-s", "100", file)
    history = shop.run("history")
    assert history.exit_code == 0, history.text
    assert [e["release"]["version"] for e in history.json["deployments"]] == ["1.0.0"]
    assert any("00000002" in note["text"] for note in history.json["notes"])
    with shop.load() as stop:
        done = shop.deploy("1.0.0")
        assert done.exit_code == 0, done.text
        done = shop.deploy("2.0.0")
        seen = stop()
    assert done.exit_code == 0, done.text
    assert seen.lost == 0, f"{seen} {seen.examples}"
    assert shop.history()[0]["number"] > 2


@pytest.mark.parametrize(
    ("act", "subject"),
    [
        (["stop", "-t", "1"], "state of container"),
        pytest.param(["rm", "-f"], "replica 1", marks=LONG),
        (["update", "--memory", "64m", "--memory-swap", "64m"], "memory limit"),
        pytest.param(["update", "--restart", "no"], "restart policy", marks=LONG),
    ],
)
def test_a_container_that_somebody_touched_is_drift_and_is_repaired(
    shop: Sandbox, act: list[str], subject: str
) -> None:
    """Row 51: drift says exactly what differs; deploying the same version again mends it."""
    docker(*act, shop.containers()[0])
    found = shop.run("drift")
    assert found.exit_code == 3, found.text
    assert any(subject in d["subject"] for d in found.json["differences"]), found.text
    mended = shop.deploy("1.0.0")
    assert mended.exit_code == 0, mended.text
    if "memory" not in subject:
        assert shop.run("drift").exit_code == 0
    assert shop.serving() == "1.0.0"


@LONG
def test_clocks_an_hour_apart_do_not_change_the_order(shop: Sandbox) -> None:
    """Row 49: the ledger is ordered by number, whatever the timestamps say."""
    with shop.unbroken():
        shop.deployed("2.0.0")
        path = "/state/ledger/shop/production/00000002.json"
        entry = json.loads(docker("exec", shop.edge, "cat", path))
        year = entry["started_at"][:4]
        text = json.dumps(entry).replace(f"{year}-", f"{int(year) - 1}-")
        subprocess.run(
            ["docker", "exec", "-i", shop.edge, "sh", "-c", f"cat > {path}"],
            input=text.encode(),
            check=True,
        )
        assert [e["release"]["version"] for e in shop.history()] == ["2.0.0", "1.0.0"]
        assert shop.run("rollback").exit_code == 0
        assert shop.serving() == "1.0.0"
