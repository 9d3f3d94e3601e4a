"""The sentences in which failed checks are told to people, all in one place."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from deploy_action.checks.attempt import ONCE
from deploy_action.checks.dialer import AddressNotAllowed
from deploy_action.checks.exchange import explain
from deploy_action.checks.identity import IdentityExpectation, check_identity
from deploy_action.checks.smoke import describe, run_smoke
from deploy_action.config.model import CommandSmoke, HttpSmoke, SmokeTest, TcpSmoke
from deploy_action.inputs import Secret

BODY = {"items": [{"id": 1, "open": True}]}
TEXT = json.dumps(BODY)
SHOP = (200, {"X-Version": "1.2.0"}, TEXT.encode())


def detail(test: SmokeTest, target: Any, clock: Any) -> str:
    (result,) = run_smoke(
        [test], target, secrets={"T": Secret("a\nb")}, identity=None, clock=clock, only="replica"
    )
    return result.detail


@pytest.mark.parametrize(
    ("expectation", "sentence"),
    [
        ({"status": (201, 204)}, f'status 200, expected 201 or 204; body: "{TEXT}"'),
        ({"contains": ("Shop",)}, f'the body does not contain "Shop"; body: "{TEXT}"'),
        ({"matches": "^x"}, f'the body does not match "^x"; body: "{TEXT}"'),
        ({"matches": "("}, f'the pattern "(" is not a regular expression; body: "{TEXT}"'),
        ({"json": {"items[0].id": 2}}, f'JSON items[0].id is 1, expected 2; body: "{TEXT}"'),
        (
            {"json": {"items[1]": 1}},
            f'JSON items[1]: there is no $.items[1]: the list has 1 items; body: "{TEXT}"',
        ),
        (
            {"json": {"items.id": 1}},
            f'JSON items.id: there is no object for $.items.id, but a list; body: "{TEXT}"',
        ),
        (
            {"response_headers": {"X-Version": "2", "ETag": "*"}, "contains": ("Shop",)},
            (
                'the header X-Version is "1.2.0", expected "2"; the header ETag is missing; '
                f'the body does not contain "Shop"; body: "{TEXT}"'
            ),
        ),
        ({"headers": {"A": "${NONE}"}}, "the secret NONE has no value"),
        (
            {"headers": {"A": "${T}"}},
            (
                "the header A would hold a line break or another control character: is there one in a "
                "secret?"
            ),
        ),
        ({"path": "/old"}, 'status 302, expected 200, redirects to "/new"'),
        ({"path": "/away", "redirects": "same-host"}, "status 302 redirects to another host: //b/"),
        ({"path": "/loop", "redirects": "same-host"}, "more than 5 redirects"),
        ({"path": "/text", "json": {"a": 1}}, 'the body is not JSON; body: "hi"'),
    ],
)
def test_http_failures(
    application: Any, clock: Any, expectation: dict[str, Any], sentence: str
) -> None:
    """Expected against got, and the beginning of the body where it matters."""
    application.replies |= {
        "/": SHOP,
        "/old": (302, {"Location": "/new"}, b""),
        "/away": (302, {"Location": "//b/"}, b""),
        "/loop": (302, {"Location": "/loop"}, b""),
        "/text": (200, {}, b"hi"),
    }
    values: dict[str, Any] = {"name": "home", "retry": ONCE}
    test = HttpSmoke(**(values | expectation))
    assert detail(test, application.target(), clock) == sentence


def test_a_slow_answer(application: Any, clock: Any) -> None:
    """Both times are told."""

    def slow(_: Any) -> Any:
        clock.time += 0.75
        return SHOP

    application.replies["/"] = slow
    test = HttpSmoke(name="home", retry=ONCE, within_seconds=0.5)
    sentence = "answered in 0.750 s, allowed are 0.5 s"
    assert detail(test, application.target(), clock) == sentence


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        ((2, "bad\x07\n"), 'exit code 2, expected 0; output: "bad\\x07"'),
        ((0, "no"), 'the output does not contain "ok"; output: "no"'),
        (None, "the command timed out after 7 s"),
    ],
)
def test_command_failures(
    application: Any, clock: Any, outcome: tuple[int, str] | None, sentence: str
) -> None:
    """The end of the output is quoted."""

    def run(argv: Any, timeout: float) -> tuple[int, str]:
        if outcome is None:
            raise TimeoutError
        return outcome

    test = CommandSmoke(name="c", command=("x",), contains=("ok",), timeout_seconds=7, retry=ONCE)
    assert detail(test, application.target(run_command=run), clock) == sentence
    assert detail(test, application.target(), clock) == (
        "commands cannot be run in replica 1 on web-1"
    )


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        ({"expect": "+PONG"}, 'expected an answer that begins with "+PONG", got "-ERR "'),
        ({"expect": "-ERR x"}, 'expected an answer that begins with "-ERR x", got "-ERR w"'),
    ],
)
def test_tcp_failures(
    application: Any, serve: Any, clock: Any, test: dict[str, Any], sentence: str
) -> None:
    """As much is quoted as was compared."""
    port = serve(lambda connection: connection.sendall(b"-ERR what"))
    smoke = TcpSmoke(name="t", port=port, retry=ONCE, **test)
    assert detail(smoke, application.target(), clock) == sentence


def test_a_tcp_connection_that_is_closed_at_once(application: Any, serve: Any, clock: Any) -> None:
    """The port is named."""
    port = serve(lambda connection: None)
    smoke = TcpSmoke(name="t", port=port, retry=ONCE)
    assert detail(smoke, application.target(), clock) == (
        f"port {port} accepted the connection and closed it at once"
    )


@pytest.mark.parametrize(
    ("reply", "where", "sentence"),
    [
        ({"X-V": "1"}, {"header": "X-V"}, 'another release answered: X-V is "1", expected 2'),
        ({}, {"json": "v"}, 'another release answered: v is "1", expected 2'),
        ({}, {"header": "X-V"}, "the answer from / has no header X-V"),
        ({}, {"json": "w"}, "the answer from /: there is no $.w"),
    ],
)
def test_identity_failures(
    application: Any, clock: Any, reply: dict[str, str], where: dict[str, str], sentence: str
) -> None:
    """Where the release is named, and both names."""
    application.replies["/"] = (200, reply, b'{"v": "1"}')
    expectation = IdentityExpectation(headers={}, expected="2", **where)
    assert check_identity(expectation, application.target(), clock=clock).detail == sentence


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            ConnectionRefusedError(111, "Connection refused"),
            (
                "port 80 refused the connection (does the application listen on this port, and on "
                "0.0.0.0 rather than on 127.0.0.1?)"
            ),
        ),
        (ConnectionResetError(), "the connection was reset"),
        (TimeoutError(), "no answer in time"),
        (AddressNotAllowed(13, "10.0.0.1 is wrong"), "refused to connect: 10.0.0.1 is wrong"),
        (OSError(113, "No route to host"), "the connection failed: No route to host"),
        (ConnectionError("engine's words"), "the connection failed (ConnectionError)"),
        (ssl.SSLError(1, "x"), "TLS failed (unknown)"),
    ],
)
def test_connection_failures(error: OSError, sentence: str) -> None:
    """The system's errors in plain words."""
    assert str(explain(error, 80)) == sentence


def test_answers_that_are_none(
    application: Any, serve: Any, clock: Any, certificate: tuple[Path, Path]
) -> None:
    """An answer that ends too early, is not HTTP, or never came."""
    for data, sentence in (
        (
            b"",
            (
                "the connection was closed without an answer (does anything listen on port {port}, and "
                "did it survive the request?)"
            ),
        ),
        (b"SSH-2.0\r\n", "the answer is not HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
            "the body ended too early, after 3 bytes",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nplain",
            "the body is not what its Content-Encoding says",
        ),
    ):

        def answer(connection: Any, data: bytes = data) -> None:
            connection.recv(65536)
            connection.sendall(data)

        port = serve(answer)
        told = detail(HttpSmoke(name="a", retry=ONCE), application.target(port=port), clock)
        assert told == sentence.format(port=port)


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        (
            HttpSmoke(name="a", contains=("x",), json={"b": 1}, within_seconds=0.5),
            "`GET /` answers 200, contains `x`, `b` is `1`, within 500 ms",
        ),
        (TcpSmoke(name="a"), "the port accepts"),
        (TcpSmoke(name="a", port=5, expect="+OK"), "port 5 accepts and says `+OK`"),
        (
            CommandSmoke(name="a", command=("./check", "-v")),
            "`./check -v` exits 0 in the new container",
        ),
    ],
)
def test_every_kind_of_smoke_test_is_described(test: SmokeTest, sentence: str) -> None:
    """Values of the configuration are marked as the caller wants."""
    assert describe(test, lambda value: f"`{value}`") == sentence
