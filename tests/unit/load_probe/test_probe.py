"""The load probe: its counts are equal to those of a server that loses a known number on purpose."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from tests.load_probe import Kind, Load, Loss, Probe
from tests.load_probe.__main__ import main

from deploy_action.errors import BadInput


def only(kind: Kind, workers: int, **changes: Any) -> Load:
    """Return a load of one kind of requests."""
    counts: dict[str, Any] = {"keep_alive": 0, "new": 0, "post": 0, "slow": 0}
    counts[kind.replace("-", "_")] = workers
    return Load(**(counts | changes))


@dataclass
class Saboteur:
    """A server that spoils requests by a fixed round of ways, and keeps count of what it did."""

    ways: Iterator[str]
    done: Counter[Loss | str] = field(default_factory=Counter)
    release: threading.Event = field(default_factory=threading.Event)
    lock: threading.Condition = field(default_factory=threading.Condition)

    def serve(self, connection: socket.socket) -> None:
        """Answer on one connection until one of the ways ends it."""
        answered = 0
        pending = b""
        while True:
            body, closing, pending = _read(connection, pending)
            with self.lock:
                way = next(self.ways)
            expected, goes_on = self._answer(connection, way, body, answered > 0, closing)
            with self.lock:
                self.done[expected] += 1
                self.lock.notify_all()
            if not goes_on:
                return
            answered += 1

    def _answer(
        self, connection: socket.socket, way: str, body: bytes, reused: bool, closing: bool
    ) -> tuple[Loss | str, bool]:
        """Spoil one answer; say what the client has to count and whether the connection lives."""
        whole = _reply(200, body, closing)
        match way:
            case "close":
                return (Loss.STALE if reused else Loss.NO_ANSWER), False
            case "reset":
                _reset(connection)
                return (Loss.STALE if reused else Loss.RESET), False
            case "cut":
                connection.sendall(whole[:-1])
                return Loss.TRUNCATED, False
            case "cut in the head":
                connection.sendall(whole[:20])
                return Loss.TRUNCATED, False
            case "reset in the body":
                connection.sendall(whole[:-1])
                _reset(connection)
                return Loss.RESET, False
            case "hang":
                self.release.wait(30)
                return Loss.TIMEOUT, False
            case "500":
                connection.sendall(_reply(500, body, closing))
                return Loss.BAD_STATUS, not closing
            case "other body":
                connection.sendall(_reply(200, bytes([body[0] ^ 1]) + body[1:], closing))
                return Loss.WRONG_BODY, not closing
            case "no http":
                connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")
                return Loss.WRONG_BODY, False
            case "reset after the answer":
                connection.sendall(_reply(200, body, closing=True))
                _reset(connection)
                return "ok", False
            case _:
                connection.sendall(whole)
                return "ok", not closing


def _read(connection: socket.socket, data: bytes) -> tuple[bytes, bool, bytes]:
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536) or _gone()
    head, _, rest = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(rest) < length:
        rest += connection.recv(65536) or _gone()
    body = rest[:length] if length else b"hello"
    return body, b"connection: close" in head.lower(), rest[length:]


def _gone() -> bytes:
    raise ConnectionResetError


def _reply(status: int, body: bytes, closing: bool) -> bytes:
    close = "Connection: close\r\n" if closing else ""
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{close}\r\n".encode() + body


def _reset(connection: socket.socket) -> None:
    """Make the close that follows a reset."""
    linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def counted(server: Saboteur, requests: int) -> dict[Loss, int]:
    """Return the server's losses once its threads have written all requests down."""
    with server.lock:
        assert server.lock.wait_for(lambda: server.done.total() == requests, 10), server.done
    return {loss: n for loss, n in server.done.items() if isinstance(loss, Loss)}


SPOILED = (
    *("close", "reset", "cut", "cut in the head", "reset in the body", "500"),
    *("other body", "no http", "reset after the answer"),
)


@pytest.mark.parametrize("kind", [Kind.KEEP_ALIVE, Kind.NEW, Kind.POST, Kind.SLOW])
def test_the_counts_are_the_server_s(serve: Any, kind: Kind) -> None:
    """Every way of losing a request is counted, each as what it was, and nothing else is."""
    server = Saboteur(cycle([*("ok",) * 5, *SPOILED[:4], "ok", *SPOILED[4:]]))
    load = only(kind, 4, max_requests=1200, contains=b"hello")
    probe = Probe(f"http://127.0.0.1:{serve(server.serve)}/", load)
    probe.start()
    result = probe.join()
    assert result.losses == counted(server, 1200)
    assert (result.ok, result.sent) == (server.done["ok"], 1200)
    assert result.sent == result.ok + result.lost
    assert result.ended_by == "requests"
    assert result.kinds[kind].lost == result.lost
    expected = {Loss.TRUNCATED, Loss.RESET, Loss.BAD_STATUS, Loss.WRONG_BODY}
    persistent = kind in (Kind.KEEP_ALIVE, Kind.POST)
    assert set(result.losses) >= expected | ({Loss.STALE} if persistent else {Loss.NO_ANSWER})


def test_a_mix_is_counted_as_a_whole_and_by_kind(serve: Any) -> None:
    """All kinds at once add up to the server's numbers."""
    server = Saboteur(cycle([*("ok",) * 20, *SPOILED]))
    load = Load(keep_alive=3, new=3, post=3, slow=1, max_requests=1500, contains=b"hello")
    probe = Probe(f"http://127.0.0.1:{serve(server.serve)}/", load)
    probe.start()
    result = probe.join()
    assert result.losses == counted(server, 1500)
    assert result.ok == server.done["ok"]
    assert {kind for kind, count in result.kinds.items() if count.sent} == set(Kind)
    assert sum(count.sent for count in result.kinds.values()) == 1500


def test_a_post_that_is_not_echoed_counts_where_no_echo_is_asked_for(serve: Any) -> None:
    """A complete 2xx is enough then; every other way of losing one still counts."""
    server = Saboteur(cycle(["ok", "other body", "500", "cut"]))
    load = only(Kind.POST, 2, max_requests=40, post_echo=False)
    probe = Probe(f"http://127.0.0.1:{serve(server.serve)}/", load)
    probe.start()
    result = probe.join()
    assert result.losses == {Loss.BAD_STATUS: 10, Loss.TRUNCATED: 10}
    assert result.ok == 20


def test_a_server_that_hangs_is_a_timeout(serve: Any) -> None:
    """No answer in time is one loss, and the connection is not used again."""
    server = Saboteur(cycle(["ok", "hang", "ok"]))
    load = only(Kind.KEEP_ALIVE, 2, max_requests=9, timeout_seconds=0.3)
    probe = Probe(f"http://127.0.0.1:{serve(server.serve)}/", load)
    probe.start()
    result = probe.join()
    server.release.set()
    assert result.losses == {Loss.TIMEOUT: 3}
    assert result.ok == 6


def test_nobody_listening_is_refused() -> None:
    """A refused connection is a request that was lost."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        probe = Probe(url, Load(max_requests=20))
        probe.start()
        result = probe.join()
    assert (result.losses, result.ok, result.loss_bound) == ({Loss.REFUSED: 20}, 0, 1.0)


def test_a_connection_closed_while_idle_is_no_loss(serve: Any) -> None:
    """A close that came in one packet with the last answer is seen before anything is sent."""
    accepted: list[int] = []

    def answer_and_close(connection: socket.socket) -> None:
        accepted.append(1)
        _read(connection, b"")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        connection.sendall(_reply(200, b"hello", closing=False))
        connection.shutdown(socket.SHUT_WR)

    load = only(Kind.KEEP_ALIVE, 1, max_requests=50)
    probe = Probe(f"http://127.0.0.1:{serve(answer_and_close)}/", load)
    probe.start()
    result = probe.join()
    assert (result.ok, result.lost, len(accepted)) == (50, 0, 50)
    assert result.reopened == 49


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("answer", "loss"),
    [
        (HEAD + b"Content-Length: 5\r\n\r\nhello", None),
        (
            HEAD
            + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: x\r\n\r\n",
            None,
        ),
        (HEAD + b"\r\nhello", None),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", None),
        (b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + HEAD + b"content-length: 5\r\n\r\nhello", None),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Loss.TRUNCATED),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", Loss.TRUNCATED),
        (HEAD + b"Content-Length: 6\r\n\r\nhello", Loss.TRUNCATED),
        (HEAD[:-2], Loss.TRUNCATED),
        (b"", Loss.NO_ANSWER),
        (HEAD + b"Content-Length: five\r\n\r\nhello", Loss.WRONG_BODY),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", Loss.WRONG_BODY),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n", Loss.WRONG_BODY),
        (HEAD + b"Content-Length: 99999999999\r\n\r\nhello", Loss.WRONG_BODY),
        (b"x" * 70000, Loss.WRONG_BODY),
        (HEAD + b"Content-Length: 5\r\n\r\nHELLO", Loss.WRONG_BODY),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Loss.WRONG_BODY),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 5\r\n\r\nhello", Loss.BAD_STATUS),
        (b"HTTP/1.1 503 Down\r\nContent-Length: 5\r\n\r\nhello", Loss.BAD_STATUS),
    ],
)
def test_answers_are_read_as_http_says(serve: Any, answer: bytes, loss: Loss | None) -> None:
    """Lengths, chunks and interim answers are understood; what is not complete is not good."""

    def behaviour(connection: socket.socket) -> None:
        _read(connection, b"")
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        # Until the client has closed too, or the bytes it has not read would be reset away.
        connection.recv(1)

    load = only(Kind.NEW, 1, max_requests=3, contains=b"hello")
    probe = Probe(f"http://127.0.0.1:{serve(behaviour)}/", load)
    probe.start()
    result = probe.join()
    assert result.losses == ({} if loss is None else {loss: 3})
    assert result.ok == (3 if loss is None else 0)


@dataclass
class Releases:
    """A server whose version the test changes."""

    version: str = "1"
    in_json: bool = False

    def serve(self, connection: socket.socket) -> None:
        pending = b""
        while True:
            _, closing, pending = _read(connection, pending)
            body = json.dumps({"app": {"version": self.version}}).encode()
            header = b"" if self.in_json else b"x-version: %s\r\n" % self.version.encode()
            reply = _reply(200, body, closing).replace(b" X\r\n", b" X\r\n" + header, 1)
            connection.sendall(reply)
            if closing:
                return


@pytest.mark.parametrize("in_json", [False, True])
def test_versions_are_seen_with_their_times(serve: Any, in_json: bool) -> None:
    """The load tells when which release answered, and a test can wait for it."""
    releases = Releases(in_json=in_json)
    load = Load(version_json="app.version" if in_json else "")
    with Probe(f"http://127.0.0.1:{serve(releases.serve)}/", load) as probe:
        probe.wait(lambda seen: seen.ok >= 20)
        releases.version = "2"
        probe.wait(
            lambda seen: any(one.version == "2" and one.answers > 5 for one in seen.versions)
        )
    result = probe.result()
    first, second = result.versions
    assert (first.version, second.version) == ("1", "2")
    assert first.answers + second.answers == result.ok
    assert 0 <= first.first_seconds <= first.last_seconds
    assert first.first_seconds < second.first_seconds <= second.last_seconds <= result.seconds
    assert result.ended_by == "stopped"


def test_requests_under_way_are_finished_at_the_end(serve: Any) -> None:
    """Stopping loses nothing: the load waits for its answers."""
    asked, release = threading.Event(), threading.Event()

    def slow(connection: socket.socket) -> None:
        body, closing, _ = _read(connection, b"")
        asked.set()
        release.wait(30)
        connection.sendall(_reply(200, body, closing))

    load = only(Kind.SLOW, 1)
    with Probe(f"http://127.0.0.1:{serve(slow)}/", load) as probe:
        assert asked.wait(10)
        threading.Thread(target=_after_stop(probe, release)).start()
    result = probe.result()
    assert (result.sent, result.ok, result.unfinished) == (1, 1, 0)


def _after_stop(probe: Probe, release: threading.Event) -> Callable[[], None]:
    def run() -> None:
        # The server holds its answer back until the load has been told to end.
        runner = probe._runner
        assert runner is not None
        waiting = threading.Event()
        while not runner._stopping.is_set():
            waiting.wait(0.005)
        release.set()

    return run


def test_an_exception_gives_requests_up_without_calling_them_lost(serve: Any) -> None:
    """A test that fails does not wait for slow answers, and they are unfinished, not lost."""
    asked, release = threading.Event(), threading.Event()

    def hang(connection: socket.socket) -> None:
        _read(connection, b"")
        asked.set()
        release.wait(30)

    probe = Probe(f"http://127.0.0.1:{serve(hang)}/", only(Kind.SLOW, 1))

    def failing_test() -> None:
        with probe:
            assert asked.wait(10)
            raise KeyError

    with pytest.raises(KeyError):
        failing_test()
    release.set()
    result = probe.snapshot()
    assert (result.sent, result.ok, result.lost, result.unfinished) == (1, 0, 0, 1)


def test_waiting_ends_with_the_load(serve: Any) -> None:
    """Nobody waits for what cannot come any more."""
    probe = Probe(f"http://127.0.0.1:{serve(Releases().serve)}/", Load(max_requests=10))
    probe.start()
    with pytest.raises(TimeoutError, match="not seen"):
        probe.wait(lambda seen: seen.ok > 10, timeout_seconds=60)
    assert probe.join().ok == 10


def test_the_rate_is_kept(serve: Any) -> None:
    """A limited load stays below its limit over its whole time."""
    load = Load(rate=100, max_seconds=0.5)
    probe = Probe(f"http://127.0.0.1:{serve(Releases().serve)}/", load)
    probe.start()
    result = probe.join()
    assert result.ended_by == "time"
    assert 1 <= result.sent <= 100 * result.seconds + 1


def test_tls_and_host_name(serve: Any, certificate: tuple[Path, Path]) -> None:
    """The name that is asked for and verified need not be the address that is loaded."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def secure(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            Releases().serve(tls)

    url = f"https://127.0.0.1:{serve(secure)}/"
    for name, ok, losses in (
        ("shop.example.com", 20, {}),
        ("other.example.com", 0, {Loss.UNREACHABLE: 20}),
    ):
        probe = Probe(url, Load(host_header=name, ca_file=str(certificate[0]), max_requests=20))
        probe.start()
        result = probe.join()
        assert (result.ok, result.losses) == (ok, losses), result.examples


@pytest.mark.parametrize("url", ["http://192.0.2.1/", "http://8.8.8.8:80/"])
def test_another_machine_is_not_loaded_by_accident(url: str) -> None:
    """Loading somebody else takes saying so."""
    with pytest.raises(BadInput, match="refusing to load another machine"):
        Probe(url).start()


@pytest.mark.parametrize(
    "wrong", [{"keep_alive": 0, "new": 0}, {"new": -1}, {"new": 10_000}, {"rate": 0}]
)
def test_an_impossible_load_is_refused(wrong: dict[str, Any]) -> None:
    """A load without workers would report that nothing was lost."""
    with pytest.raises(BadInput):
        Load(**wrong)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "127.0.0.1:80", "http:///x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    """It is said at the start, not counted as a loss."""
    with pytest.raises(BadInput, match="not a URL"):
        Probe(url).start()


def test_the_program_tells_loss_by_its_exit_code(
    serve: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 for no loss, 1 for one; the same numbers in text and JSON."""
    good = f"http://127.0.0.1:{serve(Releases().serve)}/"
    assert main([good, "--requests", "30", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["sent"], document["lost"], document["ok"]) == (30, 0, 30)
    bad = f"http://127.0.0.1:{serve(Saboteur(cycle(['500'])).serve)}/"
    assert main([bad, "--requests", "30"]) == 1
    assert "30 requests, 30 lost (30 bad status)" in capsys.readouterr().out
    assert main(["http://192.0.2.1/"]) == 2
    assert "another machine" in capsys.readouterr().err
