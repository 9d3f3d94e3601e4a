"""The HTTP client: bounded in time and size, honest about broken answers, verified TLS."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy_action.checks import http
from deploy_action.checks.result import CheckFailureKind as Kind
from deploy_action.checks.target import Target
from deploy_action.clock import SystemClock


def get(target: Target, timeout_seconds: float = 5.0, **changes: Any) -> http.HttpResponse:
    options = {"redirects": changes.pop("redirects", "none")}
    request = http.HttpRequest(**({"headers": {}} | changes))
    return http.send(
        request, target, clock=SystemClock(), timeout_seconds=timeout_seconds, **options
    )


def failure(target: Target, **options: Any) -> Kind:
    """Return why a target gives no answer."""
    with pytest.raises(http.NoAnswer) as caught:
        get(target, **options)
    return caught.value.kind


def answering(serve: Any, data: bytes, *, reset: bool = False) -> int:
    """Serve one fixed answer, byte for byte, then close."""

    def behaviour(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(data)
        if reset:
            linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    return int(serve(behaviour))


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", Kind.NO_ANSWER),
        (HEAD + b"Content-Length: 10\r\n\r\nabc", Kind.INCOMPLETE),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", Kind.INCOMPLETE),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", Kind.INCOMPLETE),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Kind.NOT_HTTP),
        (HEAD + b"Content-Encoding: gzip\r\n\r\nplain", Kind.BAD_ENCODING),
        (
            HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"x" * 99, mtime=0)[:-12],
            Kind.INCOMPLETE,
        ),
    ],
)
def test_a_broken_answer_is_no_answer(
    application: Any, serve: Any, answer: bytes, kind: Kind
) -> None:
    """Nothing incomplete passes for an answer, and the reason is in plain words."""
    port = answering(serve, answer)
    assert failure(application.target(port=port)) is kind


def test_a_reset_is_told(application: Any, serve: Any) -> None:
    """A connection that is reset in the middle of the body is not an answer."""
    port = answering(serve, HEAD + b"Content-Length: 10\r\n\r\nabc", reset=True)
    assert failure(application.target(port=port)) is Kind.RESET


def test_a_refused_connection_is_told(application: Any) -> None:
    """Nothing listens, which is not the same as no answer."""
    assert failure(application.target(port=1)) is Kind.REFUSED


@pytest.mark.parametrize(
    "beginning", [b"", HEAD, HEAD + b"\r\n", HEAD + b"Content-Length: 99\r\n\r\n"]
)
def test_a_dripping_server_is_cut_off(application: Any, serve: Any, beginning: bytes) -> None:
    """The timeout holds for the whole answer, wherever a byte now and then comes from."""
    finished = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(beginning)
        for byte in b"X-Drip: " + b"x" * 2000:
            connection.sendall(bytes([byte]))
            if finished.wait(0.02):
                return

    port = serve(drip)
    started = time.monotonic()
    try:
        assert failure(application.target(port=port), timeout_seconds=0.3) is Kind.TIMED_OUT
    finally:
        finished.set()
    assert time.monotonic() - started < 3


def test_a_huge_body_is_cut(application: Any) -> None:
    """Four MiB are read and no more."""
    application.replies["/"] = (200, {}, b"x" * (http.BODY_LIMIT + 1))
    application.replies["/fits"] = (200, {}, b"x" * http.BODY_LIMIT)
    answer = get(application.target())
    assert (len(answer.body), answer.truncated) == (http.BODY_LIMIT, True)
    answer = get(application.target(), path="/fits")
    assert (len(answer.body), answer.truncated) == (http.BODY_LIMIT, False)


def test_a_compression_bomb_is_cut(application: Any) -> None:
    """A small compressed body that grows without end stops at the same limit."""
    bomb = gzip.compress(b"\0" * (64 * 1024 * 1024))
    application.replies["/"] = (200, {"Content-Encoding": "gzip"}, bomb)
    answer = get(application.target())
    assert (len(answer.body), answer.truncated) == (http.BODY_LIMIT, True)


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("", bytes)]
)
def test_compressed_bodies_are_read(application: Any, encoding: str, pack: Any) -> None:
    """A server may compress although it is asked not to."""
    headers = {"Content-Encoding": encoding} if encoding else {}
    body = bytes(range(256)) * 1000
    application.replies["/"] = (200, headers, pack(body))
    assert get(application.target()).body == body


def test_a_head_request_has_no_body(application: Any) -> None:
    """A length or an encoding without a body is in order there."""
    application.replies["/"] = (200, {"Content-Encoding": "gzip"}, b"")
    assert get(application.target(), method="HEAD").body == b""


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain; charset=latin-1", b"\xfc", "ü"),
        ("text/plain", "ü".encode(), "ü"),
        ("text/plain; charset=no-such", "ü".encode(), "ü"),
        ("application/json", b"\xff", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_text_follows_the_charset(
    application: Any, content_type: str, body: bytes, text: str
) -> None:
    """A named character set counts; otherwise it is UTF-8."""
    application.replies["/"] = (200, {"Content-Type": content_type}, body)
    assert get(application.target()).text == text


def test_a_connection_is_never_retried(application: Any, serve: Any) -> None:
    """One request is one connection: a retry would hide a loss."""
    accepted: list[int] = []
    port = serve(lambda connection: accepted.append(1))
    failure(application.target(port=port))
    assert len(accepted) == 1


@dataclass
class SocketPair:
    """A dialer whose other end is not TCP, as the one through an engine."""

    said: list[tuple[str, int]]

    def dial(self, host: str, port: int, timeout_seconds: float) -> socket.socket:
        ours, theirs = socket.socketpair()
        self.said.append((host, port))

        def answer() -> None:
            with theirs:
                theirs.recv(65536)
                theirs.sendall(HEAD + b"Content-Length: 2\r\n\r\nhi")

        threading.Thread(target=answer).start()
        return ours


def test_every_connection_comes_from_the_dialer() -> None:
    """The host name in the URL is never resolved or connected to."""
    dialer = SocketPair([])
    target = Target(
        where="r", dialer=dialer, address="10.0.0.9", port=8080, host_header="shop.example.com"
    )
    assert get(target).body == b"hi"
    assert dialer.said == [("10.0.0.9", 8080)]


@pytest.fixture
def tls_port(serve: Any, certificate: tuple[Path, Path]) -> int:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def behaviour(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(HEAD + b"Content-Length: 2\r\n\r\nhi")

    return int(serve(behaviour))


def test_tls_is_verified_for_the_host_header(
    application: Any, tls_port: int, certificate: tuple[Path, Path]
) -> None:
    """Address and name may differ; the certificate must be for the name and from the authority."""
    target = application.target(
        port=tls_port, scheme="https", host_header="shop.example.com", ca_file=str(certificate[0])
    )
    assert get(target).body == b"hi"
    for changes in ({"ca_file": None}, {"host_header": "other.example.com"}):
        values = {"ca_file": str(certificate[0]), "host_header": "shop.example.com"} | changes
        assert failure(application.target(port=tls_port, scheme="https", **values)) is Kind.TLS


def test_tls_to_a_plain_port_is_explained(application: Any, serve: Any) -> None:
    """The wrong scheme is not a mystery."""
    port = answering(serve, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert failure(application.target(port=port, scheme="https")) is Kind.TLS


def test_a_redirect_up_to_https_stays_on_the_address(
    application: Any, tls_port: int, certificate: tuple[Path, Path]
) -> None:
    """From http to https on the same name is the one change of origin that is followed."""
    location = f"https://shop.example.com:{tls_port}/"
    application.replies["/"] = (301, {"Location": location}, b"")
    target = application.target(host_header="shop.example.com", ca_file=str(certificate[0]))
    assert get(target, redirects="same-host").body == b"hi"


def test_a_handshake_that_never_ends_is_cut_off(application: Any, serve: Any) -> None:
    """A server that accepts and says nothing costs one timeout, TLS or not."""
    finished = threading.Event()
    port = serve(lambda connection: finished.wait(20) and None)
    try:
        for scheme in ("http", "https"):
            started = time.monotonic()
            target = application.target(port=port, scheme=scheme)
            assert failure(target, timeout_seconds=0.3) is Kind.TIMED_OUT
            assert time.monotonic() - started < 3
    finally:
        finished.set()


@pytest.mark.parametrize("headers", [{"Bad Name": "topsecret"}, {"X": "\x00topsecret"}])
def test_what_http_does_not_allow_is_not_repeated(
    application: Any, headers: dict[str, str]
) -> None:
    """The library's own message would quote a header's value, which may be a secret."""
    with pytest.raises(http.NoAnswer) as caught:
        get(application.target(), headers=headers)
    assert caught.value.kind is Kind.INVALID_REQUEST
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize(
    "flood",
    [
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"", mtime=0),
    ],
)
def test_an_answer_without_end_is_given_up(application: Any, serve: Any, flood: bytes) -> None:
    """What http.client or the decoder would read or skip without counting is bounded too."""

    def behaviour(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(HEAD + flood)
        while True:
            connection.sendall(b"x" * 65536)

    assert failure(application.target(port=serve(behaviour))) is Kind.TOO_LARGE


def test_an_early_answer_counts(application: Any, serve: Any) -> None:
    """A server may refuse a body before it has read it."""

    def behaviour(connection: socket.socket) -> None:
        connection.recv(10)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    target = application.target(port=serve(behaviour))
    assert get(target, method="POST", body=b"x" * 4_000_000).status == 413


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/a b?q=ä#top", "/a%20b?q=%C3%A4"),
        ("/100%?x=%2f", "/100%25?x=%2f"),
        ("//other.example.com/@x", "//other.example.com/@x"),
        ("", "/"),
    ],
)
def test_a_path_is_escaped_once_and_stays_on_the_host(
    application: Any, path: str, sent: str
) -> None:
    """What is escaped already stays; a fragment is not sent (RFC 9110, 7.1)."""
    get(application.target(), path=path)
    assert application.requests[0].path == sent


def test_equal_headers_are_joined(application: Any, serve: Any) -> None:
    """They are found by name in any case."""
    port = answering(serve, HEAD + b"X-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n")
    headers = get(application.target(port=port)).headers
    assert (headers["X-a"], "X-B" in headers) == ("1, 2", False)


def test_configured_headers_replace_the_client_s(application: Any) -> None:
    """In any case of their names, the host included."""
    application.replies["/"] = (200, {}, b"")
    get(
        application.target(), headers={"host": "x.example.com", "user-agent": "me", "COOKIE": "a=1"}
    )
    sent = application.requests[0].headers
    assert (sent["host"], sent["user-agent"], sent["cookie"]) == ("x.example.com", "me", "a=1")
