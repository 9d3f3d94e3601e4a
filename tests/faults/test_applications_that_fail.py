"""New releases that do not come up, or come up wrong: rows 5 to 15, 20 to 23 and 56."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.support.sandbox import Sandbox, until

pytestmark = pytest.mark.docker
LONG = pytest.mark.faults

PATIENT = {"path": "/healthz", "deadline": "60s"}
STARTS_BADLY = [
    pytest.param(
        6, {"entrypoint": ["/no/such/program"]}, "replica-not-started", ["127"], id="row6-missing"
    ),
    pytest.param(
        6,
        {"entrypoint": ["/etc/passwd"]},
        "replica-not-started",
        ["126"],
        id="row6-mode",
        marks=LONG,
    ),
    pytest.param(7, {"env": {"EXIT_AT_START": "0"}}, "replica-exited", ["0"], id="row7-0"),
    pytest.param(
        7, {"env": {"EXIT_AT_START": "1"}}, "replica-exited", ["1"], id="row7-1", marks=LONG
    ),
    pytest.param(
        8,
        {"env": {"EAT_MEMORY": "512"}, "resources": {"memory": "64m"}},
        "out-of-memory",
        ["137", "64 MiB"],
        id="row8-oom",
    ),
]


@pytest.mark.parametrize(("row", "change", "code", "says"), STARTS_BADLY)
def test_a_release_that_does_not_start_is_noticed_at_once_and_explained(
    shop: Sandbox, row: int, change: dict[str, object], code: str, says: list[str]
) -> None:
    """Exit code, cause and host are named long before the deadline; nothing was lost."""
    shop.configure(**{"health": PATIENT} | change)
    with shop.load() as stop:
        begun = time.monotonic()
        done = shop.deploy("2.0.0")
        took = time.monotonic() - begun
        seen = stop()
    shop.assert_survived(done, serves="1.0.0", seen=seen, code=code, says=[*says, "local"])
    assert took < 30, f"{took:.1f} s: somebody waited for the deadline of a minute"


@LONG
def test_a_crash_on_boot_is_noticed_within_a_second_of_the_exit(shop: Sandbox) -> None:
    """Row 7: a process that dies two seconds after its start is not waited for any longer."""
    shop.configure(env={"EXIT_AFTER": "2", "HEALTH": "500"}, health=PATIENT)
    begun = time.monotonic()
    done = shop.deploy("2.0.0")
    took = time.monotonic() - begun
    shop.assert_survived(done, serves="1.0.0", code="replica-exited")
    assert took < 30, f"{took:.1f} s for an exit after 2 s and a deadline of 60 s"


@LONG
def test_ready_at_nine_tenths_of_the_deadline_is_a_success(shop: Sandbox) -> None:
    """Row 9: a slow starter that makes it is live."""
    shop.configure(env={"READY_AFTER": "3.6"}, health={"path": "/healthz", "deadline": "4s"})
    with shop.unbroken():
        done = shop.deploy("2.0.0")
        assert done.exit_code == 0, done.text
        assert shop.serving() == "2.0.0"


@LONG
def test_ready_after_the_deadline_fails_at_the_deadline(shop: Sandbox) -> None:
    """Row 10: not before it, and not long after it."""
    shop.configure(env={"READY_AFTER": "30"}, health={"path": "/healthz", "deadline": "3s"})
    with shop.unbroken():
        done = shop.deploy("2.0.0")
        shop.assert_survived(done, serves="1.0.0", code="replica-unhealthy", says=["3 s"])
        verify = next(p for p in done.json["deployment"]["phases"] if p["name"] == "verify")
        assert 2.9 <= verify["end_seconds"] - verify["start_seconds"] <= 3.6


WRONG = [
    pytest.param(
        {"env": {"LISTEN": "127.0.0.1"}}, "replica-unhealthy", ["0.0.0.0"], id="row11-address"
    ),
    pytest.param({"port": 9999}, "replica-unhealthy", ["L4CON"], id="row11-port", marks=LONG),
    pytest.param({"env": {"HEALTH": "flap"}}, "replica-unhealthy", [], id="row12-flap", marks=LONG),
    pytest.param({"env": {"WRONG_VERSION": "0.9"}}, "wrong-release", ["0.9"], id="row13-version"),
    pytest.param({"env": {"HEALTH": "hang"}}, "replica-unhealthy", ["0.5 s"], id="row14-hang"),
    pytest.param(
        {"env": {"HEALTH": "redirect"}}, "replica-unhealthy", ["302"], id="row15-redirect"
    ),
    pytest.param(
        {"env": {"HEALTH": "500"}},
        "replica-unhealthy",
        ["/healthz", "500"],
        id="health-500",
        marks=LONG,
    ),
]


@pytest.mark.parametrize(("change", "code", "says"), WRONG)
def test_a_release_that_answers_wrongly_gets_no_traffic(
    shop: Sandbox, change: dict[str, object], code: str, says: list[str]
) -> None:
    """Rows 11 to 15: what is wrong is said, and the old release serves on."""
    health = {
        "path": "/healthz",
        "deadline": "2s",
        "timeout": "500ms",
        "identity": {"header": "X-Version"},
    }
    shop.configure(**{"health": health} | change)
    with shop.load() as stop:
        done = shop.deploy("2.0.0")
        seen = stop()
    shop.assert_survived(done, serves="1.0.0", seen=seen, code=code, says=says)
    assert {found.version for found in seen.versions} == {"1.0.0"}


def test_a_smoke_test_fails_the_release_before_it_gets_traffic(shop: Sandbox) -> None:
    """Healthy is not enough: 3.0.0-broken answers its health check and nothing else."""
    with shop.load() as stop:
        done = shop.deploy("3.0.0-broken")
        seen = stop()
    shop.assert_survived(
        done, serves="1.0.0", seen=seen, code="smoke-test-failed", says=["home", "500"]
    )
    assert {found.version for found in seen.versions} == {"1.0.0"}
    assert any("is listening" in line for e in done.json["excerpts"] for line in e["lines"])


def test_a_slow_request_in_flight_at_the_switch_completes(shop: Sandbox) -> None:
    """Row 20: requests of two seconds see no cut while releases change."""
    with shop.load(slow=4, slow_path="/slow?seconds=2") as stop:
        done = shop.deploy("2.0.0")
        assert done.exit_code == 0, done.text
        seen = stop()
    assert seen.lost == 0, f"{seen} {seen.examples}"
    assert shop.serving() == "2.0.0"


@LONG
def test_an_old_release_that_ignores_sigterm_is_killed_and_noted(box: Sandbox) -> None:
    """Row 21: the deployment succeeds and waits for no grace; the one after it says so."""
    box.configure(env={"IGNORE_SIGTERM": "1"}, stop={"timeout": "10s", "drain": "8s"})
    box.deployed("1.0.0")
    (stubborn,) = box.containers()
    box.configure(env={})
    with box.unbroken():
        begun = time.monotonic()
        box.deployed("2.0.0")
        assert time.monotonic() - begun < 10
        until(lambda: stubborn not in box.containers(all=False), "the stubborn one's end", 20)
        box.configure(env={"NUMBER": "2"})
        done = box.deploy("2.0.0")
    assert done.exit_code == 0, done.text
    told = [n["text"] for n in done.json["notes"] if "was killed" in n["text"]]
    assert len(told) == 1
    assert stubborn in told[0]


def test_an_old_release_that_dies_at_once_on_sigterm_was_drained_before(box: Sandbox) -> None:
    """Row 22: no request is on it any more when it is asked to stop."""
    box.configure(env={"DIE_ON_SIGTERM": "1"})
    box.deployed("1.0.0")
    with box.load(slow=2, slow_path="/slow?seconds=1") as stop:
        done = box.deploy("2.0.0")
        seen = stop()
    assert done.exit_code == 0, done.text
    assert seen.lost == 0, f"{seen} {seen.examples}"


def test_a_first_deployment_that_fails_leaves_nothing(box: Sandbox) -> None:
    """The first is gated like every other, and there is nothing to go back to."""
    box.configure(env={"HEALTH": "500"}, health={"path": "/healthz", "deadline": "1s"})
    done = box.deploy("1.0.0")
    assert done.exit_code == 4, done.text
    assert box.containers() == []
    assert box.lock_is_free()
    assert box.history()[0]["state"] == "failed"


def test_a_release_that_dies_after_its_first_good_answers_is_undone_by_the_watch(
    shop: Sandbox,
) -> None:
    """Row 56: it had all of the traffic, and the old release stepped in at once."""
    shop.configure(env={"EXIT_AFTER": "2"}, watch=None)
    with shop.load(post=0) as stop:
        done = shop.deploy("2.0.0")
        seen = stop()
    shop.assert_survived(done, serves="1.0.0", seen=seen, code="replica-exited", says=["1"])
    assert "2.0.0" in {found.version for found in seen.versions}


def test_a_release_that_restarts_in_a_loop_is_seen_by_status_and_monitor(box: Sandbox) -> None:
    """Row 56: nobody watched it when it was deployed, and its engine restarts it ever since."""
    box.configure(env={"EXIT_AFTER": "2"})
    box.deployed("1.0.0")
    until(lambda: _replica(box)["restarts"] > 0, "a restart", 15)
    seen = box.run("status")
    assert (seen.exit_code, seen.json["result"]) == (3, "unhealthy")
    assert seen.json["unstable"]
    checked = box.run("monitor")
    assert (checked.exit_code, checked.json["result"]) == (3, "unhealthy")


@LONG
def test_a_release_that_dies_after_twenty_seconds_is_undone_by_a_bake(shop: Sandbox) -> None:
    """Row 56: whoever bakes longer finds more."""
    shop.configure(env={"EXIT_AFTER": "20"}, bake="40s")
    with shop.load(post=0) as stop:
        done = shop.deploy("2.0.0")
        seen = stop()
    shop.assert_survived(done, serves="1.0.0", seen=seen, code="replica-exited")


def _replica(box: Sandbox) -> dict[str, Any]:
    [host] = box.run("status").json["hosts"]
    [replica] = host["replicas"]
    found: dict[str, Any] = replica
    return found
