"""Health checks as pure decisions: when a replica is healthy, when to look again, and why it is not."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest

from deploy_action.checks.health import (
    HEALTH_CHECKS,
    HealthSource,
    HealthWatch,
    Look,
    explain_exit,
    explain_unhealthy,
    health_check,
    last_answer,
    start_failure,
)
from deploy_action.config.model import Health
from deploy_action.errors import ErrorCode
from deploy_action.platforms.docker.edge.state import ServerStatus
from deploy_action.platforms.docker.engine.protocol import Container

KINDS = get_args(get_type_hints(Health)["kind"])


def container(**changes: Any) -> Container:
    values: dict[str, Any] = {"id": "c", "name": "shop-1", "image_id": "i", "labels": {}}
    return Container(**(values | {"status": "running"} | changes))


def server(**changes: Any) -> ServerStatus:
    values: dict[str, Any] = {"name": "shop-1", "up": True, "checked": True, "last_check": ""}
    values |= {"weight": 1, "sessions": 0, "started": 0, "requests": 0, "errors_5xx": 0}
    values |= {"unanswered": 0, "response_milliseconds": 0}
    return ServerStatus(**(values | changes))


def test_every_kind_of_the_configuration_has_its_entry() -> None:
    """Nothing that deploy.yaml allows is unknown here."""
    assert set(HEALTH_CHECKS) == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "source", "edge_check", "path"),
    [
        ("http", HealthSource.EDGE, "http", "/up"),
        ("tcp", HealthSource.EDGE, "tcp", "/"),
        ("command", HealthSource.COMMAND, "tcp", "/"),
        ("docker", HealthSource.CONTAINER, "tcp", "/"),
        ("running", HealthSource.UPTIME, "tcp", "/"),
    ],
)
def test_what_each_kind_needs(kind: Any, source: HealthSource, edge_check: str, path: str) -> None:
    """Where it looks, what the edge checks, and which path other requests take."""
    health = Health(kind=kind, path="/up")
    check = health_check(health)
    assert (check.source, check.edge_check) == (source, edge_check)
    assert check.probe_path(health) == path


@pytest.mark.parametrize(
    ("status", "healthy"),
    [
        (None, False),
        (server(), True),
        (server(checked=False), False),
        (server(up=False), False),
    ],
)
@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_the_edge_must_have_checked_a_replica(
    kind: Any, status: ServerStatus | None, healthy: bool
) -> None:
    """HAProxy counts a server as up before its first check; here that is not enough."""
    look = Look(container=container(), server=status)
    assert HealthWatch(Health(kind=kind)).is_healthy(look) is healthy


def test_the_image_s_own_health_check_decides() -> None:
    """Starting is not healthy."""
    watch = HealthWatch(Health(kind="docker"))
    states: tuple[Any, ...] = ("none", "starting", "unhealthy", "healthy")
    healthy = [watch.is_healthy(Look(container=container(health=state))) for state in states]
    assert healthy == [False, False, False, True]


def test_a_command_must_succeed_several_times_in_a_row() -> None:
    """A failure starts again at zero."""
    watch = HealthWatch(Health(kind="command", command=("x",), successes=2))
    codes = (0, 1, 0, 0)
    looks = [watch.is_healthy(Look(container=container(), exit_code=code)) for code in codes]
    assert looks == [False, False, False, True]


def test_staying_up_takes_a_second_at_least() -> None:
    """Or as long as the successes take."""
    quick = HealthWatch(Health(kind="running"))
    slow = HealthWatch(Health(kind="running", successes=4, interval_seconds=0.5))
    for seconds, healthy in ((0.9, (False, False)), (1.0, (True, False)), (2.0, (True, True))):
        look = Look(container=container(), watched_seconds=seconds)
        assert (quick.is_healthy(look), slow.is_healthy(look)) == healthy


def test_a_command_is_repeated_at_its_own_interval() -> None:
    """Once per look, with one wait between two."""
    watch = HealthWatch(Health(kind="command", command=("x",), interval_seconds=0.7))
    assert [watch.pause_seconds(waited) for waited in (0.0, 1.0, 60.0)] == [0.7, 0.7, 0.7]


def test_a_replica_that_takes_long_is_looked_at_less_often() -> None:
    """From 20 ms to 200 ms, a tenth of the time that has passed."""
    watch = HealthWatch(Health())
    pauses = [watch.pause_seconds(waited) for waited in (0.0, 1.0, 60.0)]
    assert pauses == [0.02, 0.1, 0.2]


@pytest.mark.parametrize(
    ("health", "seen", "status", "sentence"),
    [
        (
            Health(kind="docker"),
            {"health": "unhealthy", "health_log": "curl: (7)"},
            None,
            "the image's HEALTHCHECK says unhealthy: curl: (7)",
        ),
        (Health(), {}, None, "no health check has answered"),
        (Health(kind="running"), {}, server(last_check="L4OK"), "L4OK"),
        (
            Health(),
            {},
            server(last_check="L4CON: Connection refused"),
            (
                "connection refused (L4CON: Connection refused): nothing listens on that port of the "
                "container's address; it must listen on 0.0.0.0, not on 127.0.0.1, and on the port that "
                "deploy.yaml names"
            ),
        ),
        (Health(), {}, server(last_check="L7TOUT"), "no answer within 2 s (L7TOUT)"),
        (
            Health(path="/up"),
            {},
            server(last_check="L7STS/301"),
            "GET /up did not answer 2xx, and a redirect does not count (L7STS/301)",
        ),
    ],
)
def test_unhealthy_replicas_are_explained(
    health: Health, seen: dict[str, Any], status: ServerStatus | None, sentence: str
) -> None:
    """By what their kind looks at."""
    assert explain_unhealthy(health, status, container(**seen)) == sentence


def test_a_failed_health_command_is_explained() -> None:
    """By its exit code."""
    health = Health(kind="command", command=("./up", "-q"))
    look = Look(container=container(), exit_code=3)
    told = health_check(health).explain(health, look)
    assert told == "the command ./up -q ended with exit code 3"


@pytest.mark.parametrize(
    ("ended", "sentence"),
    [
        (
            {"exit_code": 137, "out_of_memory": True, "memory_bytes": 64 * 2**20},
            (
                "out of memory (exit code 137): the kernel killed it at its limit of 64 MiB; raise "
                "resources.memory or let it use less"
            ),
        ),
        ({"exit_code": 139}, "exit code 139: it crashed (SIGSEGV)"),
        ({"exit_code": 5, "error": "x"}, "exit code 5: see its log (x)"),
    ],
)
def test_ends_are_explained(ended: dict[str, Any], sentence: str) -> None:
    """By exit code, or by the limit of memory."""
    assert explain_exit(container(**ended)) == sentence


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            ErrorCode.ENTRYPOINT_NOT_FOUND,
            "exit code 127: the entry point was not found in the image",
        ),
        (ErrorCode.ENTRYPOINT_NOT_EXECUTABLE, "exit code 126: the entry point is not executable"),
        (ErrorCode.WRONG_ARCHITECTURE, "the image is for another architecture"),
        (ErrorCode.DISK_FULL, ""),
    ],
)
def test_failed_starts_are_explained(code: ErrorCode, sentence: str) -> None:
    """Where the engine's refusal has a known cause."""
    assert start_failure(code) == sentence


@pytest.mark.parametrize(
    ("health", "sentence"),
    [
        (Health(path="/up"), "`GET /up` answers 2xx"),
        (Health(kind="tcp"), "the port accepts"),
        (Health(kind="command", command=("./up", "-q")), "`./up -q` exits 0"),
        (Health(kind="docker"), "the image's HEALTHCHECK passes"),
        (Health(kind="running"), "the container stays up"),
    ],
)
def test_every_kind_is_described(health: Health, sentence: str) -> None:
    """Values of the configuration are marked as the caller wants."""
    assert health_check(health).describe(health, lambda value: f"`{value}`") == sentence


@pytest.mark.parametrize(
    ("health", "look", "words"),
    [
        (Health(), {"server": None}, "no answer yet"),
        (
            Health(),
            {"server": server(last_check="L7STS: Layer7 wrong status 503 Service Unavailable")},
            "last answer: 503",
        ),
        (
            Health(),
            {"server": server(last_check="L4CON: Connection refused")},
            "last answer: connection refused",
        ),
        (Health(), {"server": server(last_check="L7TOUT: Layer7 timeout")}, "no answer within 2 s"),
        (Health(kind="command", command=("x",)), {"exit_code": 3}, "last exit code: 3"),
        (Health(kind="running"), {}, ""),
    ],
)
def test_the_last_answer_is_told_in_a_few_words(
    health: Health, look: dict[str, Any], words: str
) -> None:
    """While a replica is waited for; nothing of it is the application's own text."""
    assert last_answer(health, Look(container=container(), **look)) == words
