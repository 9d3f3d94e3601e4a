"""Smoke tests: what passes, what fails, and in which way. The sentences: test_check_messages.py."""

from __future__ import annotations

import base64
import json
import socket
import threading
from typing import Any, get_args
from urllib.parse import quote

import pytest

from deploy_action.checks.identity import IdentityExpectation
from deploy_action.checks.result import CheckFailureKind as Kind
from deploy_action.checks.result import CheckResult
from deploy_action.checks.smoke import KINDS, run_smoke
from deploy_action.checks.target import Target
from deploy_action.config.model import CommandSmoke, HttpSmoke, Retry, SmokeTest, TcpSmoke
from deploy_action.inputs import Secret

ONCE = Retry(deadline_seconds=0)


def run(test: SmokeTest, target: Target, clock: Any, **secrets: str) -> CheckResult:
    (result,) = run_smoke(
        [test],
        target,
        secrets={name: Secret(value) for name, value in secrets.items()},
        identity=None,
        clock=clock,
        only="replica",
    )
    return result


def http(**changes: Any) -> HttpSmoke:
    values: dict[str, Any] = {"name": "home", "retry": ONCE}
    return HttpSmoke(**(values | changes))


SHOP = (
    200,
    {"Content-Type": "application/json; charset=utf-8", "X-Version": "1.2.0"},
    json.dumps({"items": [{"id": 1, "open": True}], "name": "Shöp"}).encode(),
)


@pytest.mark.parametrize(
    "expectation",
    [
        {},
        {"status": (204, 200)},
        {"contains": ("items", "name")},
        {"matches": r'"id":\s*\d'},
        {"json": {"items[0].id": 1, "$.name": "Shöp", "items[-1]": {"id": 1, "open": True}}},
        {"response_headers": {"x-version": "1.2.0", "Content-Type": "application/json*"}},
        {"response_headers": {"Content-Length": "*"}},
        {"within_seconds": 0.5},
    ],
)
def test_an_answer_as_expected_passes(
    application: Any, clock: Any, expectation: dict[str, Any]
) -> None:
    """Every kind of expectation can be met."""
    application.replies["/"] = SHOP
    result = run(http(**expectation), application.target(), clock)
    assert result.passed, result.detail
    assert (result.detail, result.attempts, result.where) == ("", 1, "replica 1 on web-1")


@pytest.mark.parametrize(
    ("expectation", "kind"),
    [
        ({"status": (201, 204)}, Kind.WRONG_STATUS),
        ({"contains": ("items", "Shop")}, Kind.WRONG_BODY),
        ({"matches": "^name"}, Kind.WRONG_BODY),
        ({"matches": "("}, Kind.INVALID_PATTERN),
        ({"json": {"items[0].id": 2}}, Kind.WRONG_JSON),
        ({"json": {"items[0].id": "1"}}, Kind.WRONG_JSON),
        ({"json": {"items[0].open": 1}}, Kind.WRONG_JSON),
        ({"json": {"items[1].id": 1}}, Kind.WRONG_JSON),
        ({"json": {"items.id": 1}}, Kind.WRONG_JSON),
        ({"json": {"a..b": 1}}, Kind.WRONG_JSON),
        ({"response_headers": {"X-Version": "2"}}, Kind.WRONG_HEADER),
        ({"response_headers": {"ETag": "*"}}, Kind.WRONG_HEADER),
    ],
)
def test_an_answer_that_differs_fails(
    application: Any, clock: Any, expectation: dict[str, Any], kind: Kind
) -> None:
    """Every kind of expectation can be missed, and says which it was."""
    application.replies["/"] = SHOP
    result = run(http(**expectation), application.target(), clock)
    assert (result.passed, result.failure_kinds) == (False, (kind,))


def test_every_difference_is_told_at_once(application: Any, clock: Any) -> None:
    """A user mends all of them in one go."""
    application.replies["/"] = SHOP
    test = http(contains=("nope",), json={"name": "x"}, response_headers={"X-Version": "9"})
    result = run(test, application.target(), clock)
    assert result.failure_kinds == (Kind.WRONG_HEADER, Kind.WRONG_BODY, Kind.WRONG_JSON)


def test_the_request_is_sent_as_configured(application: Any, clock: Any) -> None:
    """Method, path, query, headers and body arrive byte for byte, for the configured host."""
    application.replies["/shop/api"] = (200, {}, b"")
    target = application.target(host_header="shop.example.com", base_path="/shop/")
    test = http(path="/api?q=a%20b", method="PUT", headers={"X-A": "ä"}, body="bödy")
    assert run(test, target, clock).passed
    (request,) = application.requests
    assert (request.method, request.path) == ("PUT", "/shop/api?q=a%20b")
    assert request.headers["host"] == "shop.example.com"
    assert request.headers["x-a"].encode("latin-1").decode() == "ä"
    assert request.headers["user-agent"].startswith("deploy-action/")
    assert request.body.decode() == "bödy"


def test_proxies_of_the_environment_are_ignored(
    application: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica is asked directly whatever HTTP_PROXY says."""
    application.replies["/"] = SHOP
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert run(http(), application.target(), clock).passed


def test_a_late_answer_fails_the_latency_bound(application: Any, clock: Any) -> None:
    """`within` is measured from the request to the last byte."""

    def slow(request: Any) -> Any:
        clock.time += 0.75
        return SHOP

    application.replies["/"] = slow
    result = run(http(within_seconds=0.5), application.target(), clock)
    assert result.failure_kinds == (Kind.TOO_SLOW,)


def test_a_test_is_retried_until_it_passes(application: Any, clock: Any) -> None:
    """Retries follow the interval on the clock that was handed in."""
    answers = iter([(503, {}, b""), (503, {}, b""), SHOP])
    application.replies["/"] = lambda _: next(answers)
    test = http(retry=Retry(deadline_seconds=10, interval_seconds=0.5))
    result = run(test, application.target(), clock)
    assert (result.passed, result.attempts) == (True, 3)
    assert clock.sleeps == [0.5, 0.5]


def test_retries_end_at_the_deadline(application: Any, clock: Any) -> None:
    """No try begins after the deadline, and the last reason is told."""
    application.replies["/"] = (503, {}, b"down")
    test = http(retry=Retry(deadline_seconds=2, interval_seconds=0.5))
    result = run(test, application.target(), clock)
    assert (result.passed, result.attempts, result.seconds) == (False, 5, 2.0)
    assert result.failure_kinds == (Kind.WRONG_STATUS,)


def test_after_a_failure_the_others_are_tried_once(application: Any, clock: Any) -> None:
    """Ten tests against a dead replica do not take ten deadlines."""
    tests = [http(name=name, retry=Retry(deadline_seconds=2)) for name in ("a", "b")]
    first, second = run_smoke(
        tests, application.target(), secrets={}, identity=None, clock=clock, only="edge"
    )
    assert first.attempts > 1
    assert second.attempts == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed_by_default(application: Any, clock: Any, status: int) -> None:
    """A redirect is a status like any other, and its destination is told."""
    application.replies["/"] = (status, {"Location": "/login"}, b"")
    application.replies["/login"] = SHOP
    result = run(http(), application.target(), clock)
    assert result.failure_kinds == (Kind.WRONG_STATUS,)
    assert run(http(status=(status,)), application.target(), clock).passed


def test_redirects_on_the_same_host_are_followed_on_request(application: Any, clock: Any) -> None:
    """Relative and absolute ones, with cookies kept and POST turned into GET."""
    target = application.target(host_header="shop.example.com")
    application.replies["/"] = (302, {"Location": "/b", "Set-Cookie": "s=1; Path=/"}, b"")
    application.replies["/b"] = (307, {"Location": "http://shop.example.com/c"}, b"")
    application.replies["/c"] = SHOP
    assert run(http(redirects="same-host", method="POST", body="x"), target, clock).passed
    assert [(r.method, r.body) for r in application.requests] == [
        ("POST", b"x"),
        ("GET", b""),
        ("GET", b""),
    ]
    assert application.requests[2].headers["cookie"] == "s=1"


@pytest.mark.parametrize(
    "location",
    [
        "http://evil.example.com/",
        "//evil.example.com/",
        "http://shop.example.com:8081/",
        "http://shop.example.com@evil.example.com/",
        "file:///etc/passwd",
        "http://[",
        "",
    ],
)
def test_redirects_to_another_host_are_refused(application: Any, clock: Any, location: str) -> None:
    """Headers with secrets never go elsewhere."""
    application.replies["/"] = (302, {"Location": location}, b"")
    target = application.target(host_header="shop.example.com")
    result = run(http(redirects="same-host"), target, clock)
    assert result.failure_kinds == (Kind.REDIRECT_ELSEWHERE,)
    assert len(application.requests) == 1


def test_endless_redirects_end(application: Any, clock: Any) -> None:
    """A loop is cut after five."""
    application.replies["/"] = (302, {"Location": "/"}, b"")
    result = run(http(redirects="same-host"), application.target(), clock)
    assert result.failure_kinds == (Kind.TOO_MANY_REDIRECTS,)
    assert len(application.requests) == 6


SECRET = 's3cr3t/v+lue&="ü'


@pytest.mark.parametrize(
    "echo",
    [
        lambda text: text,
        lambda text: quote(text, safe=""),
        lambda text: quote(text).lower(),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
        lambda text: base64.b64encode(f"us:{text}:x".encode()).decode(),
        lambda text: base64.urlsafe_b64encode(f"u:{text}".encode()).decode(),
        lambda text: text.encode().hex(),
        json.dumps,
        lambda text: "x" * 195 + text,
    ],
)
def test_a_secret_is_sent_and_never_shown(application: Any, clock: Any, echo: Any) -> None:
    """An application that echoes the secret, plain, encoded or cut at the excerpt's end, does
    not bring it into the detail."""
    application.replies["/"] = lambda _: (500, {"Location": echo(SECRET)}, echo(SECRET).encode())
    test = http(method="POST", headers={"Authorization": "Bearer ${TOKEN}"}, body="t=${TOKEN}")
    result = run(test, application.target(), clock, TOKEN=SECRET)
    (request,) = application.requests
    sent = request.headers["authorization"].encode("latin-1").decode()
    assert (sent, request.body.decode()) == (f"Bearer {SECRET}", f"t={SECRET}")
    assert "***" in result.detail
    shown = echo(SECRET)
    pieces = [shown[start : start + 6] for start in range(len(shown) - 6)]
    middle = [piece for piece in pieces if set(piece) != {"x"} and "x" not in piece]
    # A base64 group may mix the secret's first or last byte with its neighbour: two characters.
    assert not [piece for piece in middle[4:-4] if piece in result.detail]


def test_a_missing_secret_fails_before_anything_is_sent(application: Any, clock: Any) -> None:
    """The name is told, and no half-filled request leaves."""
    result = run(http(headers={"A": "${TOKEN}"}), application.target(), clock, OTHER="x")
    assert result.failure_kinds == (Kind.SECRET_MISSING,)
    assert "TOKEN" in result.detail
    assert application.requests == []


def test_a_secret_with_a_line_break_cannot_add_a_header(application: Any, clock: Any) -> None:
    """The usual pasted newline is named; its value is not."""
    test = http(headers={"A": "${TOKEN}"})
    result = run(test, application.target(), clock, TOKEN="abcdef\r\nX-Admin: 1")
    assert result.failure_kinds == (Kind.INVALID_REQUEST,)
    assert "abcdef" not in result.detail
    assert application.requests == []


def test_control_characters_are_made_visible(application: Any, clock: Any) -> None:
    """A body cannot colour the terminal or write a workflow command on a line of its own."""
    application.replies["/"] = (500, {}, b"\x1b[31mred\n::error::x\r\x00")
    detail = run(http(), application.target(), clock).detail
    assert "\\x1b[31mred\\n::error::x\\r\\x00" in detail
    assert detail.isprintable()


def test_the_excerpt_is_short(application: Any, clock: Any) -> None:
    """Two hundred characters of a body suffice."""
    application.replies["/"] = (500, {}, b"y" * 100_000)
    detail = run(http(), application.target(), clock).detail
    assert detail.count("y") == 200 + "body".count("y")
    assert detail.endswith('…"')


@pytest.mark.parametrize(
    ("pattern", "body"), [("(a+)+$", "a" * 60 + "!"), ("(x|xx)*y", "x" * 5000)]
)
def test_a_catastrophic_pattern_does_not_hang(
    application: Any, clock: Any, pattern: str, body: str
) -> None:
    """A pattern that backtracks for years is ended within seconds and named."""
    application.replies["/"] = (200, {}, body.encode())
    result = run(http(matches=pattern), application.target(), clock)
    assert result.failure_kinds == (Kind.PATTERN_TOO_SLOW,)


def test_identity_is_checked_first_and_on_every_answer(application: Any, clock: Any) -> None:
    """A 200 of the wrong version fails, also when only one path is answered by it."""
    application.replies["/"] = (200, {"X-Version": "2"}, b"")
    application.replies["/old"] = (200, {"X-Version": "1"}, b"")
    application.replies["/static"] = (200, {}, b"")
    expectation = IdentityExpectation(header="X-Version", headers={}, expected="2")
    results = run_smoke(
        [http(name="old", path="/old"), http(name="static", path="/static")],
        application.target(),
        secrets={},
        identity=expectation,
        clock=clock,
        only="replica",
    )
    assert [(r.name, r.passed) for r in results] == [
        ("identity", True),
        ("old", False),
        ("static", True),
    ]
    assert results[1].failure_kinds[0] is Kind.WRONG_RELEASE


def test_only_the_tests_of_the_place_are_run(application: Any, clock: Any) -> None:
    """Commands and ports of the container are for replicas; `through` decides otherwise."""
    tests = (
        http(name="both"),
        http(name="replica", through=("replica",)),
        http(name="edge", through=("edge",)),
        CommandSmoke(name="command", command=("true",), retry=ONCE),
        TcpSmoke(name="port", port=application.port, retry=ONCE),
        TcpSmoke(name="edge port", port=application.port, through=("edge",), retry=ONCE),
    )
    target = application.target(run_command=lambda argv, timeout: (0, ""))
    ran = {
        only: [
            r.name
            for r in run_smoke(tests, target, secrets={}, identity=None, clock=clock, only=only)
        ]
        for only in ("replica", "edge")
    }
    assert ran == {
        "replica": ["both", "replica", "command", "port"],
        "edge": ["both", "edge", "edge port"],
    }


def test_a_command_is_judged_by_exit_code_and_output(application: Any, clock: Any) -> None:
    """The end of its output is quoted, secrets masked."""
    calls: list[tuple[tuple[str, ...], float]] = []
    outcome: list[tuple[int, str]] = [
        (0, "migrated\n"),
        (2, "bad\x07 token hunter22\n"),
        (2, "hunter22" + "." * 196),
    ]

    def command(argv: Any, timeout: float) -> tuple[int, str]:
        calls.append((argv, timeout))
        return outcome[len(calls) - 1]

    target = application.target(run_command=command)
    test = CommandSmoke(
        name="c", command=("./check", "-v"), contains=("migrated",), timeout_seconds=7, retry=ONCE
    )
    assert run(test, target, clock, TOKEN="hunter22").passed
    result = run(test, target, clock, TOKEN="hunter22")
    assert result.failure_kinds == (Kind.EXIT_CODE,)
    assert '"bad\\x07 token ***"' in result.detail
    assert "er22" not in run(test, target, clock, TOKEN="hunter22").detail
    assert calls[0] == (("./check", "-v"), 7)


def test_a_command_that_hangs_or_says_the_wrong_thing_fails(application: Any, clock: Any) -> None:
    """A timeout and missing output are told apart; without a container there is no test."""

    def hang(argv: Any, timeout: float) -> tuple[int, str]:
        raise TimeoutError

    test = CommandSmoke(name="c", command=("x",), contains=("ok",), timeout_seconds=7, retry=ONCE)
    hung = run(test, application.target(run_command=hang), clock)
    assert hung.failure_kinds == (Kind.TIMED_OUT,)
    wrong = run(test, application.target(run_command=lambda argv, timeout: (0, "no")), clock)
    assert wrong.failure_kinds == (Kind.WRONG_OUTPUT,)
    assert run(test, application.target(), clock).failure_kinds == (Kind.NOT_SUPPORTED,)


def _banner(connection: socket.socket) -> None:
    while request := connection.recv(100):
        connection.sendall(b"+PONG\r\n" if request == b"PING\r\n" else b"-ERR what\r\n")


def test_tcp_sends_and_expects(application: Any, serve: Any, clock: Any) -> None:
    """The answer must begin with what is expected."""
    port = serve(_banner)
    right = TcpSmoke(name="t", port=port, send="PING\r\n", expect="+PONG", retry=ONCE)
    wrong = TcpSmoke(name="t", port=port, send="PONG\r\n", expect="+PONG", retry=ONCE)
    assert run(right, application.target(), clock).passed
    assert run(wrong, application.target(), clock).failure_kinds == (Kind.WRONG_OUTPUT,)


def test_tcp_without_an_expectation_needs_a_connection_that_stands(
    application: Any, serve: Any, clock: Any
) -> None:
    """A proxy that accepts and hangs up has nobody behind it."""
    release = threading.Event()
    stands = serve(lambda connection: release.wait(20) and None)
    hangs_up = serve(lambda connection: None)
    try:
        for port, kinds in (
            (stands, ()),
            (hangs_up, (Kind.CONNECTION_CLOSED,)),
            (1, (Kind.REFUSED,)),
        ):
            result = run(TcpSmoke(name="t", port=port, retry=ONCE), application.target(), clock)
            assert (result.passed, result.failure_kinds) == (not kinds, kinds)
    finally:
        release.set()


def test_tcp_does_not_wait_for_ever(application: Any, serve: Any, clock: Any) -> None:
    """A server that says nothing, or too slowly, fails at the timeout."""
    release = threading.Event()
    port = serve(lambda connection: release.wait(20) and None)
    test = TcpSmoke(name="t", port=port, expect="x", timeout_seconds=0.2, retry=ONCE)
    try:
        assert run(test, application.target(), clock).failure_kinds == (Kind.TIMED_OUT,)
    finally:
        release.set()


def test_every_kind_of_the_configuration_has_its_entry() -> None:
    """A kind that deploy.yaml allows can be run and described."""
    assert {kind.type for kind in KINDS} == set(get_args(SmokeTest))
