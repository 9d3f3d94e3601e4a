"""A canary with real traffic: its share, clients that stay, and a person who decides."""

from __future__ import annotations

import http.client
import subprocess
from collections import defaultdict

import pytest
from tests.support.sandbox import Sandbox, await_step

from deploy_action.rollout.step import StepId

pytestmark = pytest.mark.docker


def _at_the_canary(box: Sandbox, version: str) -> subprocess.Popen[str]:
    """Start a deployment and return when the canary gets its share."""
    process = box.start("deploy", "--progress-json", "--json", "--version", version)
    await_step(process, StepId.WATCH_CANARY)
    return process


def _ask_as(box: Sandbox, client: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", box.port, timeout=10)
    try:
        connection.request("GET", "/version", headers={"Cookie": f"a=b; session={client}"})
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
        return str(answer.headers["X-Version"])
    finally:
        connection.close()


def test_a_client_stays_with_one_release_and_the_share_is_true(box: Sandbox) -> None:
    """By a cookie of the application; without one requests are spread as ever."""
    box.configure(strategy={"canary": [30], "pause": "60s", "sticky": {"cookie": "session"}})
    box.deployed("1.0.0")
    with box.unbroken():
        process = _at_the_canary(box, "2.0.0")
        seen: defaultdict[int, set[str]] = defaultdict(set)
        for _ in range(2):
            for number in range(80):
                seen[number].add(_ask_as(box, f"client-{number}"))
        unknown = [box.serving() for _ in range(200)]
        told = box.run("canary", "promote")
        assert told.exit_code == 0, told.text
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, out + err
        assert {_ask_as(box, f"client-{number}") for number in range(20)} == {"2.0.0"}
    assert all(len(versions) == 1 for versions in seen.values())
    share = sum(versions == {"2.0.0"} for versions in seen.values()) / len(seen)
    assert 0.15 <= share <= 0.45, share
    assert 0.12 <= unknown.count("2.0.0") / len(unknown) <= 0.5


def test_a_person_promotes_or_aborts_a_canary_from_elsewhere(box: Sandbox) -> None:
    """Within a second, from another process; the ledger says who; without a deployment it is
    refused."""
    box.deployed("1.0.0")
    nothing = box.run("canary", "abort")
    assert nothing.exit_code == 2, nothing.text
    assert nothing.json["error"]["code"] == "nothing-deployed"
    box.configure(strategy={"canary": [10, 50], "pause": "120s"})
    with box.unbroken():
        process = _at_the_canary(box, "2.0.0")
        who = ("--actor", "octocat", "--reason", "checkout fails")
        assert box.run("canary", "abort", *who).json["result"] == "signalled"
        out, err = process.communicate(timeout=30)
        assert process.returncode == 4, out + err
        assert box.serving() == "1.0.0"
        cause = box.history()[0]["cause"]
        assert "octocat" in cause
        assert "checkout fails" in cause
        process = _at_the_canary(box, "2.0.0")
        assert box.run("canary", "promote", "--actor", "octocat").exit_code == 0
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, out + err
    assert box.serving() == "2.0.0"
    assert any("octocat" in warning for warning in box.history()[0]["warnings"])


def test_a_canary_that_hangs_up_on_everybody_is_undone_though_no_client_notices(
    box: Sandbox,
) -> None:
    """The edge repeats what it left unanswered elsewhere: that counts against the canary."""
    box.configure(smoke=[], probe=False)
    box.deployed("1.0.0")
    box.configure(strategy={"canary": [50], "pause": "20s"}, env={"HANG_UP": "1"})
    with box.load(post=0) as stop:
        done = box.deploy("2.0.0")
        seen = stop()
    box.assert_survived(done, serves="1.0.0", seen=seen, code="analysis-failed")
