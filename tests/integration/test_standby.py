"""The release on standby: it runs beside the live one, gets no traffic, and is back at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from tests.support.sandbox import Sandbox, docker, until
from tests.support.traffic import Mix, Traffic

pytestmark = pytest.mark.docker


@contextlib.contextmanager
def _unbroken(box: Sandbox) -> Iterator[None]:
    """Deploy the first version, and lose no request from then on."""
    box.deployed("1.0.0")
    with box.unbroken():
        yield


def _roles(box: Sandbox) -> dict[str, list[str]]:
    """Return what `status` says: role → versions of the replicas in it, with their weight."""
    (host,) = box.run("status").json["hosts"]
    roles: dict[str, list[str]] = {}
    for replica in host["replicas"]:
        weight = "-" if replica["weight"] is None else f"{replica['weight']:g} %"
        roles.setdefault(replica["stage"], []).append(f"{replica['version']} {weight}")
    return {role: sorted(found) for role, found in roles.items()}


def _started(box: Sandbox, version: str) -> dict[str, str]:
    """Return name → when it was started, for the replicas of a version that run."""
    names = [name for name in box.containers(all=False) if f"_{version}_" in name]
    return {name: docker("inspect", "-f", "{{.State.StartedAt}}", name).strip() for name in names}


def test_the_release_before_stands_by_and_is_brought_back_as_it_runs(box: Sandbox) -> None:
    """Under load nothing is lost on any of these ways, and no container of it is started again."""
    box.configure(strategy={"standby": True}, replicas=2)
    with _unbroken(box):
        box.deployed("2.0.0")
        assert _roles(box) == {"serving": ["2.0.0 50 %"] * 2, "standby": ["1.0.0 0 %"] * 2}
        assert box.run("drift").exit_code == 0
        before = _started(box, "1.0.0")
        assert len(before) == 2
        planned = box.run("rollback", "--dry-run").json["plan"]
        assert any("is on standby already" in line for line in planned)
        back = box.run("rollback")
        assert back.exit_code == 0, back.text
        assert _started(box, "1.0.0") == before
        # What was rolled back from does not stand by.
        assert set(box.serving_containers()) == before.keys()
        assert _roles(box)["serving"] == ["1.0.0 50 %"] * 2
        assert box.run("drift").exit_code == 0


def test_the_next_deployment_relieves_the_one_on_standby(box: Sandbox) -> None:
    """There is one release on standby at most, a canary's share is not taken by it, and a bake's
    second line is what served before."""
    box.configure(strategy={"standby": True, "canary": [50], "pause": "1s"}, bake="1s")
    with _unbroken(box):
        box.deployed("2.0.0")
        box.configure(env={"NUMBER": "3"})
        box.deployed("1.0.0")
    roles = _roles(box)
    assert roles["serving"] == ["1.0.0 100 %"]
    assert roles["standby"] == ["2.0.0 0 %"]
    until(lambda: len(box.containers(all=False)) == 2, "the end of the first release")
    # Without the word it ends with the next deployment, as ever.
    box.configure(strategy={})
    box.deployed("2.0.0")
    assert len(box.serving_containers()) == 1


def test_a_failed_deployment_leaves_the_standby_as_it_was(box: Sandbox) -> None:
    """What served serves again, with the same release behind it."""
    box.configure(strategy={"standby": True})
    with _unbroken(box):
        box.deployed("2.0.0")
        before = _started(box, "1.0.0")
        box.configure(env={"HEALTH": "500"}, health={"path": "/healthz", "deadline": "2s"})
        assert box.deploy("1.0.0").exit_code == 4
        box.configure(env={"EXIT_AT_START": "3"})
        assert box.deploy("1.0.0").exit_code == 4
        assert _started(box, "1.0.0") == before
        assert box.run("drift").exit_code == 0
        back = box.run("rollback")
        assert back.exit_code == 0, back.text
    assert box.serving() == "1.0.0"


def test_a_standby_that_has_ended_is_started_like_any_that_is_kept(box: Sandbox) -> None:
    """Somebody stopped it, or it died: a rollback takes as long as without it."""
    box.configure(strategy={"standby": True})
    with _unbroken(box):
        box.deployed("2.0.0")
        (name,) = _started(box, "1.0.0")
        docker("stop", "-t", "3", name)
        assert _roles(box) == {"serving": ["2.0.0 100 %"], "retained": ["1.0.0 0 %"]}
        back = box.run("rollback")
        assert back.exit_code == 0, back.text
        assert back.json["deployment"]["requests_lost"] == 0
    assert box.serving() == "1.0.0"
    assert box.run("drift").exit_code == 0


def test_a_standby_whose_health_is_seen_in_another_way_is_not_known_to_the_edge(
    box: Sandbox,
) -> None:
    """Its own check comes back with it."""
    box.configure(strategy={"standby": True})
    with _unbroken(box):
        box.configure(health={"path": "/", "deadline": "10s"})
        box.deployed("2.0.0")
        assert _roles(box) == {"serving": ["2.0.0 100 %"], "standby": ["1.0.0 -"]}
        assert box.run("drift").exit_code == 0
        before = _started(box, "1.0.0")
        back = box.run("rollback")
        assert back.exit_code == 0, back.text
    assert _started(box, "1.0.0") == before
    assert box.serving() == "1.0.0"
    assert box.run("drift").exit_code == 0


@pytest.mark.long
def test_clients_that_stay_are_moved_when_the_drain_is_over(box: Sandbox) -> None:
    """A websocket does not keep its client with the old release only because that still runs."""
    box.configure(strategy={"standby": True}, stop={"drain": "1s", "timeout": "3s"})
    box.deployed("1.0.0")
    held = Mix(slow_seconds=0.3, stream_seconds=0.3, poll_seconds=0.3, websocket_seconds=12)
    with Traffic(box.url, held) as traffic:
        done = box.deploy("2.0.0")
        assert done.exit_code == 0, done.text
        assert "were cut" in " ".join(done.json["deployment"]["warnings"]), done.text
        until(
            lambda: traffic.total().lost["websocket"] == held.websocket, "the end of the websockets"
        )
        until(
            lambda: traffic.total().sent["websocket"] == 2 * held.websocket, "the clients' return"
        )
        assert traffic.total().all_lost == held.websocket, traffic.total().examples
        (old,) = _started(box, "1.0.0")
        assert _open(box, old) == 0
    assert _roles(box) == {"serving": ["2.0.0 100 %"], "standby": ["1.0.0 0 %"]}


def _open(box: Sandbox, name: str) -> int:
    """Return how many sessions a replica has in the running edge."""
    asked = "echo 'show stat' | socat -t 5 - UNIX-CONNECT:/state/run/haproxy.sock"
    lines = docker("exec", box.edge, "sh", "-c", asked).splitlines()
    return sum(int(line.split(",")[4]) for line in lines if f",{name}," in line)
