"""The session: a lock as long as it is open, and the one way to the files of a host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contract.bench import Bench, with_network

from deploy_action.errors import BadInput, DeploymentFailed, ErrorCode, LockHeld, SessionLost
from deploy_action.platforms.docker.edge.host import lock_spec
from deploy_action.platforms.docker.engine.protocol import ContainerSpec
from deploy_action.platforms.docker.lock import Lock, acquire, current
from deploy_action.session.queries import (
    Conflict,
    delete,
    get,
    haproxy,
    optional,
    pair,
    put,
    recent,
    reserve,
    sequence,
)

EMPTY = "# deploy-action {generation}\nglobal\nlisten idle\n  mode http\n  bind unix@/state/run/idle.sock\n"


def described(bench: Bench, deployment: str = "d-1") -> ContainerSpec:
    labels = {
        "deploy-action.actor": "ada",
        "deploy-action.since": "noon",
        "deploy-action.deployment-id": deployment,
    }
    return lock_spec(bench.options, f"{bench.name}-lock", labels)


@pytest.fixture
def lock(bench: Bench) -> Iterator[Lock]:
    """A held lock."""
    with_network(bench)
    held = acquire(bench.engine, described(bench), wait_seconds=0, clock=bench.clock)
    yield held
    held.release()


def test_a_second_holder_is_refused_and_told_who_the_first_is(bench: Bench, lock: Lock) -> None:
    """By creation by name: there is no moment at which both have it."""
    assert current(bench.engine, f"{bench.name}-lock") is not None
    with pytest.raises(LockHeld, match=r"locked by ada since noon \(deployment d-1\)"):
        acquire(bench.engine, described(bench, "d-2"), wait_seconds=0, clock=bench.clock)


def test_two_names_of_one_engine_are_found_out(bench: Bench, lock: Lock) -> None:
    """The same deployment holds it already; waiting would be for ever, and it goes on holding it."""
    with pytest.raises(BadInput, match="another host"):
        acquire(bench.engine, described(bench), wait_seconds=60, clock=bench.clock)
    lock.session.ping()


def test_a_lock_that_is_given_back_is_free(bench: Bench, lock: Lock) -> None:
    """Its container ends and is removed; the next deployer gets it."""
    lock.release()
    bench.until(lambda: current(bench.engine, f"{bench.name}-lock") is None, "the lock's end")
    again = acquire(bench.engine, described(bench, "d-2"), wait_seconds=5, clock=bench.clock)
    again.session.ping()
    again.release()


def test_a_lock_that_is_taken_away_is_noticed_by_the_next_request(bench: Bench, lock: Lock) -> None:
    """Whoever lost it can write nothing any more."""
    bench.engine.remove(lock.container_id)
    for _ in range(2):
        with pytest.raises(SessionLost):
            lock.session.put("ledger/a.json", b"{}")


def test_a_strangers_container_is_not_taken_for_a_lock(bench: Bench) -> None:
    """It is named, and left alone."""
    with_network(bench)
    stranger = bench.run("sleep 60", "lock")
    with pytest.raises(DeploymentFailed) as refused:
        acquire(bench.engine, described(bench), wait_seconds=0, clock=bench.clock)
    assert refused.value.code is ErrorCode.NAME_TAKEN
    assert bench.engine.container(stranger) is not None


def test_files_are_written_whole_and_read_as_they_are(lock: Lock) -> None:
    """Any bytes; a second writing replaces the first; what is not there is None."""
    content = bytes(range(256)) * 300
    assert lock.session.get("ledger/shop/a.json") is None
    for written in (b"first", content, bytes(range(1, 256)) * 300, b"\n\nlast\n\n", b""):
        lock.session.put("ledger/shop/a.json", written)
        assert lock.session.get("ledger/shop/a.json") == written
    lock.session.delete("ledger/shop/a.json")
    lock.session.delete("ledger/shop/a.json")
    assert lock.session.get("ledger/shop/a.json") is None


def test_the_last_entries_come_oldest_first(lock: Lock) -> None:
    """By name, JSON files only, with contents in which anything may stand."""
    for number in range(12):
        lock.session.put(f"ledger/shop/{number:08d}.json", f"{number}\n{number}".encode())
    lock.session.put("ledger/shop/fingerprint.key", b"\n\0\n")
    assert lock.session.ask(recent("ledger/shop", 3)) == tuple(
        (f"{number:08d}.json", f"{number}\n{number}".encode()) for number in (9, 10, 11)
    )
    assert lock.session.ask(recent("ledger/none", 3)) == ()
    assert len(lock.session.names("ledger/shop")) == 13
    assert lock.session.names("ledger/none") == ()


def test_room_can_be_kept_aside(lock: Lock) -> None:
    """As often as one likes; it is no entry."""
    lock.session.ask(reserve())
    lock.session.ask(reserve())
    assert lock.session.names("ledger") == ()


def test_the_edge_is_changed_only_from_the_state_that_one_knows(lock: Lock) -> None:
    """Compare and set by the generation in the file's first line."""
    first, second = EMPTY.format(generation=1), EMPTY.format(generation=2)
    lock.session.change_edge(first, generation=0, reload=False, commands="")
    with pytest.raises(Conflict):
        lock.session.change_edge(second, generation=0, reload=False, commands="")
    assert lock.session.get("edge/haproxy.cfg") == first.encode()
    lock.session.change_edge(second, generation=1, reload=False, commands="")
    assert lock.session.get("edge/haproxy.cfg") == second.encode()


def test_a_configuration_that_is_none_is_refused(lock: Lock) -> None:
    """The old one stays."""
    known = EMPTY.format(generation=1)
    lock.session.change_edge(known, generation=0, reload=False, commands="")
    with pytest.raises(DeploymentFailed) as refused:
        lock.session.change_edge("nonsense\n", generation=1, reload=False, commands="")
    assert refused.value.code is ErrorCode.EDGE_REFUSED
    assert lock.session.get("edge/haproxy.cfg") == known.encode()


def test_a_weight_that_is_none_is_refused(lock: Lock) -> None:
    """Also where nothing else is new; and servers may get other weights, and go."""

    def shop(generation: int, *weights: int) -> str:
        lines = (f"  server s{n} 10.0.0.{n}:80 weight {w}\n" for n, w in enumerate(weights, 1))
        return EMPTY.format(generation=generation) + "backend shop\n  mode http\n" + "".join(lines)

    def change(generation: int, *weights: int) -> None:
        lock.session.change_edge(
            shop(generation, *weights), generation=generation - 1, reload=False, commands=""
        )

    change(1, 0, 100)
    change(2, 256, 0)
    with pytest.raises(DeploymentFailed) as refused:
        change(3, 257, 0)
    assert refused.value.code is ErrorCode.EDGE_REFUSED
    assert lock.session.get("edge/haproxy.cfg") == shop(2, 256, 0).encode()
    change(3, 100)
    change(4)
    change(5, 7)
    with pytest.raises(DeploymentFailed) as refused:
        change(6, 7, 257)
    assert refused.value.code is ErrorCode.EDGE_REFUSED
    assert lock.session.get("edge/haproxy.cfg") == shop(5, 7).encode()


def test_several_requests_are_done_in_their_order(lock: Lock) -> None:
    """In one round trip: what was written is read behind it, and a refusal holds up nothing."""
    path = "ledger/shop/a.json"
    content = bytes(range(256)) * 100
    with pytest.raises(DeploymentFailed):
        lock.session.ask(
            pair(
                sequence(put(path, b"{}"), put(path, content)),
                haproxy("show stat\n").map(lambda _: None),
            )
        )
    read = pair(get(path), pair(optional(haproxy("show stat\n")), sequence(delete(path))))
    assert lock.session.ask(pair(read, get(path))) == ((content, (None, None)), None)


def test_an_edge_that_is_down_is_told(lock: Lock) -> None:
    """Neither a question nor a reload is answered as if there were one; the file stays as it was."""
    with pytest.raises(DeploymentFailed):
        lock.session.haproxy("show stat\n")
    known = EMPTY.format(generation=1)
    lock.session.change_edge(known, generation=0, reload=False, commands="")
    with pytest.raises(DeploymentFailed):
        lock.session.change_edge(EMPTY.format(generation=2), generation=1, reload=True, commands="")
    assert lock.session.get("edge/haproxy.cfg") == known.encode()
