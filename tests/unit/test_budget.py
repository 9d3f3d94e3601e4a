"""Whoever sends a byte now and then, or bytes without end, holds nobody up: one budget an exchange."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.clock import FakeClock

from deploy_action.budget import BoundedStream, TooLarge, within
from deploy_action.checks import http as check_http
from deploy_action.checks import https, request_probe
from deploy_action.checks.target import Target
from deploy_action.clock import SystemClock
from deploy_action.errors import DeploymentFailed, SessionLost
from deploy_action.github import api as github_api
from deploy_action.inputs import Secret
from deploy_action.platforms.docker.edge import certificates
from deploy_action.platforms.docker.engine import api as engine_api
from deploy_action.platforms.docker.engine import streams
from deploy_action.session import client
from deploy_action.session.queries import get

SECONDS = 0.3
"""What an exchange has in these tests."""
PATIENCE = 15.0
"""Within which it has to be over: far more than it takes, far less than the peer would."""

HEAD = b"HTTP/1.1 200 OK\r\n"
PLAIN = HEAD + b"Content-Type: text/plain\r\n"


def drip(first: bytes, byte: bytes) -> Iterator[bytes]:
    """Send a byte now and then, each long before a socket's own timeout."""
    yield first
    while True:
        time.sleep(0.05)
        yield byte


def flood(first: bytes, chunk: bytes) -> Iterator[bytes]:
    """Send without end, as fast as it is taken."""
    yield first
    while True:
        yield chunk


PEERS: dict[str, Callable[[], Iterator[bytes]]] = {
    "drips-its-head": lambda: drip(HEAD + b"X-A: ", b"a"),
    "drips-headers": lambda: drip(HEAD, b"X-A: a\r\n"),
    "drips-interim-answers": lambda: drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "drips-its-body": lambda: drip(PLAIN + b"Content-Length: 100000\r\n\r\n", b"a"),
    "drips-chunks": lambda: drip(PLAIN + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "drips-without-a-length": lambda: drip(PLAIN + b"\r\n", b"a"),
    "floods-its-head": lambda: flood(HEAD + b"X-A: ", b"a" * 65536),
    "floods-interim-answers": lambda: flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "floods-chunks": lambda: flood(
        PLAIN + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"a" * 65536 + b"\r\n"
    ),
    "floods-without-a-length": lambda: flood(PLAIN + b"\r\n", b"a" * 65536),
    "claims-a-large-body": lambda: flood(
        PLAIN + b"Content-Length: 99999999999\r\n\r\n", b"a" * 65536
    ),
}


def serve(path: Path | None, sent: Callable[[], Iterator[bytes]]) -> socket.socket:
    """Have every connection be sent the same, after something was asked."""
    server = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    server.bind(str(path) if path else ("127.0.0.1", 0))
    server.listen()

    def answer(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            for piece in sent():
                connection.sendall(piece)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return server


@pytest.fixture(params=sorted(PEERS))
def peer(request: Any) -> Iterator[int]:
    """A peer on a port of this machine."""
    with contextlib.closing(serve(None, PEERS[request.param])) as server:
        yield int(server.getsockname()[1])


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < PATIENCE


class Loopback:
    """Connects to this machine."""

    def dial(self, host: str, port: int, timeout_seconds: float) -> socket.socket:
        return socket.create_connection((host, port), timeout_seconds)


def target(port: int) -> Target:
    return Target(where="a", dialer=Loopback(), address="127.0.0.1", port=port)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Budgets that are soon used up."""
    for module, name in (
        (engine_api, "_SECONDS"),
        (streams, "_HEAD_SECONDS"),
        (client, "_RESPONSE_SECONDS"),
        (github_api, "_EXCHANGE_SECONDS"),
        (request_probe, "_TIMEOUT_SECONDS"),
        (https, "_TIMEOUT_SECONDS"),
        (certificates, "_HANDSHAKE_SECONDS"),
    ):
        monkeypatch.setattr(module, name, SECONDS)


@dataclass(slots=True)
class Direct:
    """A transport to a port."""

    port: int

    def open(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 5)


def test_a_check_ends_in_time(peer: int) -> None:
    """Of health, smoke tests and identity."""
    request = check_http.HttpRequest(headers={})
    with in_time(), contextlib.suppress(check_http.NoAnswer):
        response = check_http.send(
            request, target(peer), clock=SystemClock(), timeout_seconds=SECONDS
        )
        assert len(response.body) <= check_http.BODY_LIMIT


def test_a_probe_request_ends_in_time(peer: int) -> None:
    """And is counted as lost."""
    probe = request_probe.RouteProbe(
        where="a",
        dial=lambda seconds: socket.create_connection(("127.0.0.1", peer), seconds),
        path="/",
        headers={},
        rate_per_second=1.0,
    )
    with in_time():
        probe.ensure_answered()
    assert probe.stats().lost == 1


def test_a_call_to_an_engine_ends_in_time(peer: int) -> None:
    """Which is a host's, and may be anybody's."""
    api = engine_api.EngineApi(Direct(peer))  # type: ignore[arg-type]
    with in_time(), pytest.raises((OSError, http.client.HTTPException)):
        api.get("containers", "json", seconds=SECONDS)
    api.close()


def test_a_stream_of_an_engine_begins_in_time(peer: int) -> None:
    """Its head has an end; what follows is as long as the container runs."""
    with (
        in_time(),
        contextlib.closing(Direct(peer).open()) as raw,
        contextlib.suppress(OSError, DeploymentFailed),
    ):
        streams._upgrade(raw, "POST /x HTTP/1.1", None)
        assert raw.gettimeout() is None


def test_github_is_given_up_in_time(peer: int) -> None:
    """A record is not worth a hanging job."""
    api = github_api.Api(
        url=f"http://127.0.0.1:{peer}",
        token=Secret("t"),
        repository="acme/shop",
        clock=FakeClock(),
        seconds=2,
    )
    with in_time():
        assert isinstance(api.post("deployments", {}, needs="x"), github_api.ApiError)
    api.close()


@pytest.mark.parametrize(
    "sent",
    [
        lambda: drip(b"ok 5\n", b""),
        lambda: drip(b"", b"o"),
        lambda: drip(b"ok 100000\n", b"a"),
        lambda: flood(b"", b"o" * 65536),
        lambda: flood(b"ok 99999999999\n", b"a" * 65536),
        lambda: iter([b"ok -1\n"]),
        lambda: iter([b"ok " + b"9" * 60 + b"\n"]),
    ],
)
def test_a_session_answers_in_time_or_is_lost(
    tmp_path: Path, sent: Callable[[], Iterator[bytes]]
) -> None:
    """Whatever runs at its other end."""
    with contextlib.closing(serve(tmp_path / "s", sent)):
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(str(tmp_path / "s"))
        session = client.Session("a", stream)
        with in_time(), pytest.raises(SessionLost):
            session.ask(get("x"))
        session.close()


def test_a_handshake_ends_in_time() -> None:
    """A server that sends a record of TLS byte by byte."""
    with contextlib.closing(serve(None, lambda: drip(b"\x16\x03\x03\x40\x00", b"\x02"))) as server:
        port = int(server.getsockname()[1])
        with in_time():
            assert "does not answer within" in https.why_unanswered(f"https://127.0.0.1:{port}")
        with in_time(), pytest.raises(DeploymentFailed):
            certificates.served_fingerprint(
                socket.create_connection(("127.0.0.1", port), 5), host="a"
            )


def test_a_bomb_of_github_does_not_go_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body is counted when it is unpacked."""
    monkeypatch.setattr(github_api, "_EXCHANGE_SECONDS", 20.0)
    bomb = gzip.compress(b" " * (1 << 26))
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with contextlib.closing(serve(None, lambda: iter([head + bomb]))) as server:
        api = github_api.Api(
            url=f"http://127.0.0.1:{server.getsockname()[1]}",
            token=Secret("t"),
            repository="acme/shop",
            clock=FakeClock(),
            seconds=20,
        )
        answer = api.get("deployments", needs="x")
        assert isinstance(answer, github_api.ApiError)
        assert "TooLarge" in answer.what
        api.close()


def test_a_frame_is_taken_in_pieces() -> None:
    """A container prints a line of four gigabytes, as its engine says."""
    claimed = b"\x01\0\0\0\xff\xff\xff\xff" + b"a" * 200_000
    pieces = [content for _, content in streams._frames(io.BytesIO(claimed))]
    assert sum(map(len, pieces)) == 200_000
    assert max(map(len, pieces)) <= 65536


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("iso-8859-1", "é"),
        ("windows-1252", "é"),
        ("utf-8", "\N{REPLACEMENT CHARACTER}"),
        ("idna", "\N{REPLACEMENT CHARACTER}"),
        ("punycode", "\N{REPLACEMENT CHARACTER}"),
        ("unicode_escape", "\N{REPLACEMENT CHARACTER}"),
        ("utf-7", "\N{REPLACEMENT CHARACTER}"),
        ("zlib", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_only_character_sets_of_the_web_are_read(charset: str, text: str) -> None:
    """Python has others, whose decoders take quadratic time or mean something else."""
    response = check_http.HttpResponse(
        status=200,
        headers=check_http.Headers([("Content-Type", f"text/plain; charset={charset}")]),
        body=b"\xe9",
        truncated=False,
        seconds=0.0,
    )
    assert response.text == text


def test_a_stream_has_a_new_budget_for_each_exchange() -> None:
    """And tells which of the two was used up."""
    ours, theirs = socket.socketpair()
    with ours, theirs, BoundedStream(ours, seconds=5, size=4) as stream:
        theirs.sendall(b"abcd")
        assert stream.read(4) == b"abcd"
        theirs.sendall(b"e")
        with pytest.raises(TooLarge):
            stream.read(1)
        stream.renew(seconds=5, size=4)
        theirs.sendall(b"f")
        assert stream.read(1) == b"f"
        stream.renew(seconds=0, size=4)
        with pytest.raises(TimeoutError):
            stream.read(1)


def test_a_call_without_a_bound_of_its_own_is_given_up() -> None:
    """What it raises is raised, what it returns is returned."""
    assert within(5, lambda: 1) == 1
    with pytest.raises(ssl.SSLError):
        within(5, lambda: (_ for _ in ()).throw(ssl.SSLError()))
    hanging = threading.Event()
    with in_time(), pytest.raises(TimeoutError):
        within(0.05, hanging.wait)
    hanging.set()
