"""The small parts: dialer, JSON paths, redaction, retries, identity and the bake."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from deploy_action.checks.attempt import ONCE
from deploy_action.checks.bake import watch
from deploy_action.checks.dialer import AddressNotAllowed, require_allowed
from deploy_action.checks.identity import IdentityExpectation, check_identity
from deploy_action.checks.result import CheckFailureKind as Kind
from deploy_action.checks.smoke import run_smoke
from deploy_action.checks.target import Target
from deploy_action.config.model import Health, HttpSmoke, Identity, SmokeTest, TcpSmoke
from deploy_action.jsonpath import Missing, equal, look_up, parse_path
from deploy_action.platforms.docker.dialer import HostDialer
from deploy_action.platforms.docker.engine.protocol import Engine
from deploy_action.redaction import excerpt
from deploy_action.releases.model import Release

METADATA_ADDRESSES = (
    "169.254.169.254",
    "fe80::1",
    "fe80::1%eth0",
    "::ffff:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "fd00:ec2::254",
)


@pytest.mark.parametrize("address", [*METADATA_ADDRESSES, "metadata.example.com", ""])
def test_link_local_addresses_and_names_are_refused(address: str) -> None:
    """However it is written, where clouds serve credentials is not connected to."""
    with pytest.raises(AddressNotAllowed):
        require_allowed(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "172.28.3.4", "::1", "fd00::2", "unix:/run/x"])
def test_addresses_of_replicas_and_edges_are_allowed(address: str) -> None:
    """Bridges, loopback and sockets."""
    require_allowed(address)


@dataclass
class EngineThatMustNotConnect:
    """Counts the connections that are asked for."""

    connections: int = 0

    def connect(self, *_: object) -> socket.socket:
        self.connections += 1
        raise AssertionError


@pytest.mark.parametrize("address", METADATA_ADDRESSES)
@pytest.mark.parametrize("test", [HttpSmoke(name="a"), TcpSmoke(name="b"), None])
def test_no_check_reaches_metadata_through_the_dialer_of_hosts(
    clock: Any, address: str, test: SmokeTest | None
) -> None:
    """HTTP, TCP and identity checks refuse the address before the engine hears of it."""
    engine = EngineThatMustNotConnect()
    dialer = HostDialer(engine=cast("Engine", engine), container_id="lock")
    target = Target(where="replica 1", dialer=dialer, address=address, port=80)
    identity = IdentityExpectation(header="X-V", headers={}, expected="1")
    (result,) = run_smoke(
        [] if test is None else [replace(test, retry=ONCE)],
        target,
        secrets={},
        identity=identity if test is None else None,
        clock=clock,
        only="replica",
    )
    assert result.failure_kinds == (Kind.ADDRESS_NOT_ALLOWED,)
    assert engine.connections == 0


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$", ()),
        ("a", ("a",)),
        ("items[0].id", ("items", 0, "id")),
        ("$.items[-1]", ("items", -1)),
        ("[0][1]", (0, 1)),
        ("$[0].a", (0, "a")),
        ("a[\"b.c\"]['d e']", ("a", "b.c", "d e")),
        ("app-version.x_y.ü", ("app-version", "x_y", "ü")),
        ("$schema", ("$schema",)),
    ],
)
def test_paths_are_parsed(path: str, steps: tuple[str | int, ...]) -> None:
    """The documented forms mean what they say."""
    assert parse_path(path) == steps


@pytest.mark.parametrize(
    "path",
    ["", ".a", "a.", "a..b", "a[", "a[x]", "a[0", "a[1.5]", "a]b", "a[0]b", "$.", "a b", "a[00]"],
)
def test_what_is_no_path_is_refused(path: str) -> None:
    """A typing error is never taken for a name."""
    with pytest.raises(ValueError, match="not a JSON path"):
        parse_path(path)


def test_looking_up_says_where_it_ends() -> None:
    """The message names the first step that fails."""
    document = {"a": [{"b": None}]}
    assert look_up(document, "a[0].b") is None
    for path, message in (
        ("a[0].c", r"there is no \$\.a\[0\]\.c"),
        ("a[1]", "the list has 1 items"),
        ("a.b", "no object for"),
        ("a[0][0]", "no list for"),
        ("a[0].b.c", "but null"),
    ):
        with pytest.raises(Missing, match=message):
            look_up(document, path)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        ("1", 1, False),
        (None, None, True),
        (None, 0, False),
        ([1, {"a": 2}], [1.0, {"a": 2}], True),
        ([1], [1, 1], False),
        ({"a": 1}, {"a": True}, False),
        ("ab", ["a", "b"], False),
    ],
)
def test_equality_is_json_s(left: object, right: object, same: bool) -> None:
    """Numbers by value, booleans apart from numbers, text apart from both."""
    assert equal(left, right) is same
    assert equal(right, left) is same


def test_an_excerpt_is_bounded_and_printable() -> None:
    """Escapes count for one character of the original."""
    assert excerpt("a\nb\u202e\x9b", 5) == "a\\nb\\u202e\\x9b"
    assert excerpt("abc", 2) == "ab…"


def release(**changes: Any) -> Release:
    values = {"service": "shop", "environment": "production", "version": "1.2.0"}
    values |= {"image": "shop", "digest": "sha256:d", "commit": "c0ffee"}
    return Release(**(values | {"config": {}} | changes))


def test_the_expected_identity_comes_from_the_release() -> None:
    """Placeholders are filled, and the health check's path and headers are the default."""
    identity = Identity(json="build", expect="{version}@{commit} {digest}")
    health = Health(path="/healthz", headers={"A": "b"}, identity=identity)
    expectation = IdentityExpectation.of(health, release())
    assert expectation == IdentityExpectation(
        json="build", path="/healthz", headers={"A": "b"}, expected="1.2.0@c0ffee sha256:d"
    )
    assert IdentityExpectation.of(Health(), release()) is None


@pytest.mark.parametrize(
    ("reply", "where", "kinds"),
    [
        ((200, {"X-V": "2"}, b""), {"header": "x-v"}, ()),
        ((200, {}, b'{"v": 2}'), {"json": "v"}, ()),
        ((200, {"X-V": "1"}, b""), {"header": "X-V"}, (Kind.WRONG_RELEASE,)),
        ((200, {}, b'{"v": "1"}'), {"json": "v"}, (Kind.WRONG_RELEASE,)),
        ((200, {}, b""), {"header": "X-V"}, (Kind.NO_RELEASE,)),
        ((200, {}, b"{}"), {"json": "v"}, (Kind.NO_RELEASE,)),
        ((200, {}, b"<html>"), {"json": "v"}, (Kind.NOT_JSON,)),
        ((500, {"X-V": "2"}, b""), {"header": "X-V"}, (Kind.WRONG_STATUS,)),
        ((302, {"X-V": "2", "Location": "/"}, b""), {"header": "X-V"}, (Kind.WRONG_STATUS,)),
    ],
)
def test_identity_is_what_the_application_says(
    application: Any, clock: Any, reply: Any, where: dict[str, str], kinds: tuple[Kind, ...]
) -> None:
    """Only a 2xx answer that carries the expected name is this release."""
    application.replies["/"] = reply
    expectation = IdentityExpectation(headers={}, expected="2", **where)
    result = check_identity(expectation, application.target(), clock=clock)
    assert (result.passed, result.failure_kinds) == (not kinds, kinds)


def test_a_bake_probes_at_its_beginning_and_end(clock: Any) -> None:
    """The rounds cover the whole time."""
    times: list[float] = []
    assert watch(5, lambda: times.append(clock.time - 1000), clock, 2) is None
    assert times == [0, 2, 4, 5]


def test_a_bake_ends_at_the_first_failure(clock: Any) -> None:
    """Nobody waits for the rest of the time to learn it."""
    reasons = iter([None, "edge: status 500"])
    assert watch(60, lambda: next(reasons), clock, 2) == "edge: status 500"
    assert clock.time == 1002


def test_a_bake_that_fails_at_its_end_has_failed(clock: Any) -> None:
    """The last round counts like the others."""
    reasons = iter([None, "a"])
    assert watch(1, lambda: next(reasons), clock, 1) == "a"


def test_a_slow_round_delays_the_next(clock: Any) -> None:
    """Rounds never overlap and never pile up."""
    times: list[float] = []

    def slow() -> None:
        times.append(clock.time - 1000)
        clock.time += 3

    assert watch(10, slow, clock, 1) is None
    assert times == [0, 3, 6, 9]
    assert max(clock.sleeps) == 0


def test_a_bake_of_no_seconds_is_one_round(clock: Any) -> None:
    """A release that has just gone live is checked once all the same."""
    times: list[float] = []
    assert watch(0, lambda: times.append(clock.time), clock, 1) is None
    assert len(times) == 1
