"""Probe requests through the edge: what counts as lost, and what was never served."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from tests.support.received import Received, read_request

from deploy_action.checks.request_probe import (
    LossKind,
    RequestLoss,
    RequestStats,
    RouteProbe,
    require_no_lost_requests,
    stats,
)
from deploy_action.config.model import ProbePost
from deploy_action.errors import DeploymentFailed, ErrorCode

PING = ProbePost(
    path="/api/ping",
    body='{"ping": "äöü"}',
    headers={"Content-Type": "application/json", "host": "ping.example.com"},
)


def asked_until(probe: RouteProbe, until: Callable[[RequestStats], bool]) -> RequestStats:
    """Let a probe ask until enough was counted."""
    probe.start()
    deadline = time.monotonic() + 10
    while not until(probe.stats()):
        assert time.monotonic() < deadline, probe.stats()
        time.sleep(0.005)
    return probe.stop()


def watch(
    serve: Any, statuses: Iterable[int], until: Callable[[RequestStats], bool]
) -> RequestStats:
    """Ask a server that answers with one status after the other, until enough was counted."""
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
    return asked_until(probe, until)


def test_failures_before_the_first_good_answer_are_not_this_deployment_s(serve: Any) -> None:
    """A service that was down is repaired: nothing is lost, and the dead time is told apart."""
    statuses = itertools.chain(itertools.repeat(503, 8), itertools.repeat(200))
    counted = watch(serve, statuses, lambda now: now.sent > 12 and not now.lost)
    assert counted.lost == 0
    assert counted.losses == ()
    assert counted.unserved == 8


def test_failures_after_it_are_lost_and_each_way_is_told_once(serve: Any) -> None:
    """Ten equal failures are ten losses and one example."""
    statuses = itertools.chain([200] * 3, itertools.cycle([503, 200]))
    counted = watch(serve, statuses, lambda now: now.lost >= 10)
    [loss] = counted.losses
    assert (loss.kind, loss.where) == (LossKind.BAD_STATUS, "web-1")
    assert counted.unserved == 0


def test_a_way_that_never_answers_well_is_lost_from_the_start(serve: Any) -> None:
    """A path that the probe cannot ask for must not pass as a service that was down."""
    counted = watch(serve, itertools.repeat(500), lambda now: now.lost >= 5)
    assert counted.sent == counted.lost
    assert counted.unserved == 0


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
    probe.ensure_answered()
    repaired.set()
    counted = probe.stop()
    assert (counted.lost, counted.unserved) == (0, 2)
    assert counted.sent > 0


class Shop:
    """Answers GET with 200 and POST as it is told, and keeps what it was sent."""

    def __init__(
        self, serve: Any, posted: Callable[[int], int | None], *, keep: bool = True
    ) -> None:
        """Serve.

        Args:
            posted: the status for the nth POST; None closes the connection without an answer.
            keep: False closes each connection after its answer, without a word about it.
        """
        self.received: list[tuple[int, Received]] = []
        self._posted, self._keep = posted, keep
        self._connections = itertools.count()
        self.port = serve(self._answer)

    def probe(
        self, *, path: str = "/", rate: float = 200.0, post: ProbePost | None = PING
    ) -> RouteProbe:
        """Make a probe that asks this shop."""
        return RouteProbe(
            where="web-1",
            dial=lambda timeout: socket.create_connection(("127.0.0.1", self.port), timeout),
            path=path,
            headers={"Host": "shop.example.com"},
            post=post,
            rate_per_second=rate,
        )

    def watch(
        self, until: Callable[[RequestStats], bool], probe: RouteProbe | None = None
    ) -> RequestStats:
        """Let a probe ask until enough was counted."""
        return asked_until(probe or self.probe(), until)

    @property
    def posts(self) -> list[Received]:
        """The POSTs that came."""
        return [request for _, request in self.received if request.method == "POST"]

    def connections(self, method: str) -> set[int]:
        """Return the connections over which such requests came."""
        return {number for number, request in self.received if request.method == method}

    def _answer(self, connection: socket.socket) -> None:
        number = next(self._connections)
        while True:
            request = read_request(connection)
            self.received.append((number, request))
            status = 200 if request.method == "GET" else self._posted(len(self.posts))
            if status is None:
                return
            connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
            if not self._keep:
                return


def test_nothing_is_posted_unless_it_is_wanted(serve: Any) -> None:
    """A POST has an effect: without `post` there are GETs only."""
    shop = Shop(serve, lambda _: 200)
    probe = shop.probe(post=None)
    probe.ensure_answered()
    counted = shop.watch(lambda now: now.sent >= 20, probe)
    assert counted.sent == len(shop.received)
    assert shop.posts == []


def test_a_post_is_sent_as_it_is_written_over_a_kept_connection(serve: Any) -> None:
    """Body, length and headers arrive, the Host header may be another, and each is counted."""
    shop = Shop(serve, lambda _: 204)
    counted = shop.watch(lambda now: now.sent >= 60)
    assert (counted.sent, counted.lost, counted.unserved) == (len(shop.received), 0, 0)
    [one] = shop.connections("POST")
    assert one not in shop.connections("GET")
    assert {request.path for request in shop.posts} == {"/api/ping"}
    sent = shop.posts[0]
    assert sent.body == PING.body.encode()
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["host"] == "ping.example.com"


def test_a_quarter_of_the_rate_are_posts(serve: Any) -> None:
    """As many as there are GETs over new connections, and half of those over a kept one."""
    shop = Shop(serve, lambda _: 200)
    shop.watch(lambda now: now.sent >= 100, shop.probe(rate=100.0))
    posts = len(shop.posts)
    gets = Counter(number for number, request in shop.received if request.method == "GET")
    kept = max(gets.values())
    assert 0.7 < (gets.total() - kept) / posts < 1.4
    assert 1.5 < kept / posts < 2.4


def test_a_lost_post_counts_and_is_called_one(serve: Any) -> None:
    """GETs are answered all the while: it is the POST that the words are about."""
    shop = Shop(serve, lambda number: 500 if number > 2 else 200)
    counted = shop.watch(lambda now: now.lost >= 5)
    [loss] = counted.losses
    assert (loss.kind, loss.where) == (LossKind.BAD_STATUS, "web-1: POST /api/ping")
    assert str(loss) == "web-1: POST /api/ping: status 500"
    assert counted.lost == len(shop.posts) - 2
    assert counted.sent == len(shop.received)


def test_a_post_without_an_answer_is_lost_and_never_sent_again(serve: Any) -> None:
    """Nobody knows whether it had its effect, so each one that arrives is one that was counted."""
    shop = Shop(serve, lambda number: None if number % 2 == 0 else 200)
    counted = shop.watch(lambda now: now.lost >= 5)
    assert counted.lost == len(shop.posts) // 2
    assert counted.sent == len(shop.received)
    [loss] = counted.losses
    assert (loss.kind, loss.where) == (LossKind.NO_ANSWER, "web-1: POST /api/ping")


def test_a_connection_that_was_closed_while_idle_is_replaced_without_counting(serve: Any) -> None:
    """Nothing had been sent on it, neither a GET nor a POST."""
    shop = Shop(serve, lambda _: 200, keep=False)
    counted = shop.watch(lambda now: now.sent >= 15, shop.probe(rate=40.0))
    assert counted.lost == 0
    assert len(shop.connections("POST")) == len(shop.posts) > 1


def test_posts_that_failed_before_are_what_this_deployment_repairs(serve: Any) -> None:
    """That GETs were answered says nothing about POSTs: each way has its own first good answer."""
    shop = Shop(serve, lambda number: 503 if number <= 3 else 200)
    counted = shop.watch(lambda now: now.unserved > 0)
    assert (counted.lost, counted.unserved) == (0, 3)
    assert counted.sent == len(shop.received) - 3


def test_posts_that_never_succeed_are_lost_though_gets_are_answered(serve: Any) -> None:
    """A path that takes no POST must not pass because another one is well."""
    shop = Shop(serve, lambda _: 500)
    counted = shop.watch(lambda now: now.lost >= 3)
    assert counted.lost == len(shop.posts)
    assert counted.unserved == 0


def test_one_post_is_sent_for_certain_and_no_second_one(serve: Any) -> None:
    """However gentle the rate, a verdict rests on one answer of each way at least."""
    shop = Shop(serve, lambda _: 200)
    probe = shop.probe(rate=0.01)
    probe.ensure_answered()
    probe.ensure_answered()
    assert probe.stats() == RequestStats(sent=2)
    assert [request.method for _, request in shop.received] == ["GET", "POST"]


def test_a_path_beyond_ascii_is_asked_for_as_a_browser_does(serve: Any) -> None:
    """It is encoded, whichever way it goes; what is encoded already stays."""
    shop = Shop(serve, lambda _: 200)
    post = ProbePost(path="/grüße?an=%C3%BC", headers={"X-To": "Zoë"})
    probe = shop.probe(path="/ä", post=post)
    probe.ensure_answered()
    assert probe.stats() == RequestStats(sent=2)
    assert [request.path for _, request in shop.received] == [
        "/%C3%A4",
        "/gr%C3%BC%C3%9Fe?an=%C3%BC",
    ]
    assert shop.posts[0].headers["x-to"].encode("latin-1").decode() == "Zoë"


def test_two_hosts_add_up() -> None:
    """Counts are summed, equal examples are joined."""
    a, b = (RequestLoss(kind=LossKind.RESET, where=where, detail="x") for where in "ab")
    one = RequestStats(sent=3, lost=1, losses=(a,), unserved=1)
    two = RequestStats(sent=4, lost=2, losses=(a, b))
    assert one + two == RequestStats(sent=7, lost=3, losses=(a, b), unserved=1)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", LossKind.NO_ANSWER),
        (b"SSH-2.0-OpenSSH\r\n", LossKind.NOT_HTTP),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", LossKind.NOT_HTTP),
        (b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n", LossKind.BAD_STATUS),
        (None, LossKind.REFUSED),
    ],
)
def test_each_way_of_losing_a_request_has_an_identifier(
    serve: Any, answer: bytes | None, kind: LossKind
) -> None:
    """Programs tell losses apart without reading their details."""

    def behaviour(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer or b"")

    port = 1 if answer is None else serve(behaviour)
    probe = RouteProbe(
        where="web-1",
        dial=lambda timeout: socket.create_connection(("127.0.0.1", port), timeout),
        path="/",
        headers={},
        rate_per_second=1.0,
    )
    probe.ensure_answered()
    assert [loss.kind for loss in probe.stats().losses] == [kind]


def test_a_release_that_loses_more_than_allowed_is_refused(serve: Any) -> None:
    """The error has a code, and each probe has asked at least once before."""
    shop = Shop(serve, lambda _: 500)
    probes = (shop.probe(), shop.probe(post=None))
    with pytest.raises(DeploymentFailed) as caught:
        require_no_lost_requests(probes)
    assert caught.value.code is ErrorCode.REQUESTS_LOST
    assert str(caught.value).splitlines()[0] == (
        "1 of 3 probe requests through the edge failed: web-1: POST /api/ping: status 500"
    )
    assert stats(probes).lost == 1
    require_no_lost_requests(iter([shop.probe(post=None)]))
