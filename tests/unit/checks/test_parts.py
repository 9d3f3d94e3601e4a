"""The small parts: dialer, JSON paths, redaction, retries, identity and the bake."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from deploy_action.checks.bake import Baked, Spoiled, watch
from deploy_action.checks.dialer import Direct, LinkLocalRefused
from deploy_action.checks.identity import IdentityExpectation, check_identity
from deploy_action.config.model import Health, Identity
from deploy_action.inputs import Secret
from deploy_action.jsonpath import Missing, equal, look_up, parse_path
from deploy_action.redaction import Redactor, excerpt
from deploy_action.releases.model import Release


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "fe80::1",
        "::ffff:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "fd00:ec2::254",
    ],
)
def test_link_local_addresses_are_refused(address: str) -> None:
    """However it is written, where clouds serve credentials is not connected to."""
    with pytest.raises(LinkLocalRefused, match="link-local"):
        Direct().dial(address, 80, 1)


def test_a_name_is_judged_by_what_it_resolves_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name in somebody's zone that points at the metadata service is refused as well."""
    entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [entry])
    with pytest.raises(LinkLocalRefused):
        Direct().dial("metadata.example.com", 80, 1)


def test_the_next_address_is_tried(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with a dead first address still connects."""
    port = serve(lambda connection: None)
    real = socket.getaddrinfo

    def resolve(host: str, *arguments: Any, **options: Any) -> Any:
        if host != "two.example.com":
            return real(host, *arguments, **options)
        return [(0, 0, 6, "", (address, 0)) for address in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with Direct().dial("two.example.com", port, 5) as connection:
        assert connection.getpeername() == ("127.0.0.1", port)


def test_a_name_that_does_not_exist_is_an_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that cannot even be encoded."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(OSError, match="label"):
        Direct().dial("a" * 64 + ".example.com", 80, 5)
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(socket.gaierror):
        Direct().dial("no-such.example.com", 80, 5)


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


def test_redaction_prefers_the_longest_secret() -> None:
    """A secret that is part of another does not leave the other's rest behind."""
    redact = Redactor({"A": Secret("abc"), "B": Secret("abcdef"), "C": Secret("")})
    assert redact("abcdef abc") == "*** ***"


def test_redaction_covers_each_line_of_a_key() -> None:
    """A key file is masked line by line, its braces are not."""
    redact = Redactor({"KEY": Secret("{\nlonger line\n}\n")})
    assert redact("said: longer line {}") == "said: *** {}"


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
    ("reply", "where", "detail"),
    [
        ((200, {"X-V": "2"}, b""), {"header": "x-v"}, ""),
        ((200, {}, b'{"v": 2}'), {"json": "v"}, ""),
        ((200, {"X-V": "1"}, b""), {"header": "X-V"}, "another release answered"),
        ((200, {}, b'{"v": "1"}'), {"json": "v"}, 'v is "1", expected 2'),
        ((200, {}, b""), {"header": "X-V"}, "has no header X-V"),
        ((200, {}, b"{}"), {"json": "v"}, "there is no $.v"),
        ((200, {}, b"<html>"), {"json": "v"}, "is not JSON"),
        ((500, {"X-V": "2"}, b""), {"header": "X-V"}, "status 500"),
        ((302, {"X-V": "2", "Location": "/"}, b""), {"header": "X-V"}, "status 302"),
    ],
)
def test_identity_is_what_the_application_says(
    application: Any, clock: Any, reply: Any, where: dict[str, str], detail: str
) -> None:
    """Only a 2xx answer that carries the expected name is this release."""
    application.replies["/"] = reply
    expectation = IdentityExpectation(headers={}, expected="2", **where)
    result = check_identity(expectation, application.target(), clock=clock)
    assert result.passed is (detail == "")
    assert detail in result.detail


def test_a_bake_probes_at_its_beginning_and_end(clock: Any) -> None:
    """The rounds cover the whole time."""
    times: list[float] = []
    outcome = watch(5, lambda: times.append(clock.time - 1000), clock, 2)
    assert outcome == Baked(seconds=5, rounds=4, failed_rounds=0)
    assert times == [0, 2, 4, 5]


def test_a_bake_ends_at_the_first_failure(clock: Any) -> None:
    """Nobody waits for the rest of the time to learn it."""
    reasons = iter([None, "edge: status 500"])
    outcome = watch(60, lambda: next(reasons), clock, 2)
    assert outcome == Spoiled(seconds=2, rounds=2, reason="edge: status 500")


def test_a_bake_tolerates_what_it_is_told_to(clock: Any) -> None:
    """Failures count in a row only."""
    reasons = iter(["a", "b", None, "c", None, None])
    outcome = watch(5, lambda: next(reasons), clock, 1, failures=3)
    assert outcome == Baked(seconds=5, rounds=6, failed_rounds=3)


def test_a_bake_is_decided_even_when_its_time_ends_on_a_failure(clock: Any) -> None:
    """Too few failures to judge by are followed by more rounds, not by a pass."""
    reasons = iter([None, "a", "b", "c"])
    assert watch(1, lambda: next(reasons), clock, 1, failures=3) == Spoiled(
        seconds=3, rounds=4, reason="c"
    )


def test_a_slow_round_delays_the_next(clock: Any) -> None:
    """Rounds never overlap and never pile up."""

    def slow() -> None:
        clock.time += 3

    assert watch(10, slow, clock, 1) == Baked(seconds=12, rounds=4, failed_rounds=0)
    assert max(clock.sleeps) == 0


def test_a_bake_of_no_seconds_is_one_round(clock: Any) -> None:
    """What just went live is looked at once all the same."""
    assert watch(0, lambda: None, clock, 1) == Baked(seconds=0, rounds=1, failed_rounds=0)
