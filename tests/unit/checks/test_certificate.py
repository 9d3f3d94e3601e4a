"""The probe along the public way: what counts as lost, and what was never served."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from deploy_action.checks.certificate import Certificate, RouteProbe


def watch(serve: Any, statuses: Iterable[int], until: Callable[[Certificate], bool]) -> Certificate:
    """Ask a server that answers with one status after the other, until enough was seen."""
    coming = iter(statuses)

    def answer(connection: socket.socket) -> None:
        while connection.recv(65536):
            head = f"HTTP/1.1 {next(coming)} X\r\nContent-Length: 0\r\n\r\n"
            connection.sendall(head.encode())

    port = serve(answer)
    probe = RouteProbe(
        where="web-1",
        dial=lambda timeout: socket.create_connection(("127.0.0.1", port), timeout),
        path="/",
        headers={"Host": "shop.example.com"},
        rate_per_second=200.0,
    )
    probe.start()
    deadline = time.monotonic() + 10
    while not until(probe.seen()):
        assert time.monotonic() < deadline, probe.seen()
        time.sleep(0.005)
    return probe.stop()


def test_failures_before_the_first_good_answer_are_not_this_deployment_s(serve: Any) -> None:
    """A service that was down is repaired: nothing is lost, and the dead time is told apart."""
    statuses = itertools.chain(itertools.repeat(503, 8), itertools.repeat(200))
    seen = watch(serve, statuses, lambda now: now.sent > 12 and not now.lost)
    assert seen.lost == 0
    assert seen.losses == ()
    assert seen.unserved == 8


def test_failures_after_it_are_lost_and_each_way_is_told_once(serve: Any) -> None:
    """Ten equal failures are ten losses and one example."""
    statuses = itertools.chain([200] * 3, itertools.cycle([503, 200]))
    seen = watch(serve, statuses, lambda now: now.lost >= 10)
    assert seen.losses == ("web-1: status 503",)
    assert seen.unserved == 0


def test_a_way_that_never_answers_well_is_lost_from_the_start(serve: Any) -> None:
    """A path that the probe cannot ask for must not pass as a service that was down."""
    seen = watch(serve, itertools.repeat(500), lambda now: now.lost >= 5)
    assert seen.sent == seen.lost
    assert seen.unserved == 0


def test_requests_that_wait_while_nothing_is_served_say_nothing_about_now(serve: Any) -> None:
    """Both clients hang on what is dead; one more request, made now, shows that it is served."""
    asked: list[int] = []
    repaired = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        asked.append(number := len(asked) + 1)
        if number <= 2:
            repaired.wait(10)
        status = 503 if number <= 2 else 200
        connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())

    port = serve(answer)
    probe = RouteProbe(
        where="web-1",
        dial=lambda timeout: socket.create_connection(("127.0.0.1", port), timeout),
        path="/",
        headers={},
        rate_per_second=200.0,
    )
    probe.start()
    deadline = time.monotonic() + 10
    while len(asked) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    probe.make_sure()
    repaired.set()
    seen = probe.stop()
    assert (seen.lost, seen.unserved) == (0, 2)
    assert seen.sent > 0


def test_two_hosts_add_up() -> None:
    """Counts are summed, equal examples are joined."""
    one = Certificate(sent=3, lost=1, losses=("a",), unserved=1)
    two = Certificate(sent=4, lost=2, losses=("a", "b"))
    assert one + two == Certificate(sent=7, lost=3, losses=("a", "b"), unserved=1)
