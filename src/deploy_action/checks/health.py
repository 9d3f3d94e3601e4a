"""Health checks: what each kind looks at, when a replica is healthy, and why it is not.

Pure: whoever watches a replica asks the engine, the edge and the clock, and decides here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, Protocol

from deploy_action.checks.target import is_below
from deploy_action.config.model import Environment, Health
from deploy_action.errors import ErrorCode

__all__ = [
    "HEALTH_CHECKS",
    "HealthCheck",
    "HealthSource",
    "HealthWatch",
    "Look",
    "explain_exit",
    "explain_instability",
    "explain_unhealthy",
    "health_check",
    "is_condemned",
    "last_answer",
    "start_failure",
]

_CODES = {
    0: "it ended without an error, but a service has to keep running; does the command go into "
    "the background?",
    1: "the application failed; its log says why",
    126: "the entry point was found but is not executable (chmod +x, or a wrong architecture)",
    127: "the entry point was not found in the image",
    134: "it aborted (SIGABRT)",
    137: "it was killed (SIGKILL)",
    139: "it crashed (SIGSEGV)",
    143: "it was asked to stop (SIGTERM)",
}
_START_FAILURES = {
    ErrorCode.ENTRYPOINT_NOT_FOUND: "exit code 127: the entry point was not found in the image",
    ErrorCode.ENTRYPOINT_NOT_EXECUTABLE: "exit code 126: the entry point is not executable",
    ErrorCode.WRONG_ARCHITECTURE: "the image is for another architecture",
}
_MIN_UPTIME_SECONDS = 1.0
_STABLE_AFTER = timedelta(minutes=10)
"""Kubernetes, too, forgets a container's crashes after ten minutes without one:
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy"""
_POLL_SECONDS = (0.02, 0.2)
_POLL_SHARE = 0.1
"""Each look costs a host's cores some milliseconds, just when its replicas need them to start. So a
replica that has waited long is looked at less often: a tenth of that time later, at most 0.2 s."""


class ContainerState(Protocol):
    """What an engine says of a container: its own health check, and how it ended."""

    @property
    def health(self) -> str: ...

    @property
    def health_log(self) -> str: ...

    @property
    def exit_code(self) -> int: ...

    @property
    def out_of_memory(self) -> bool: ...

    @property
    def memory_bytes(self) -> int: ...

    @property
    def error(self) -> str: ...

    @property
    def status(self) -> str: ...

    @property
    def running(self) -> bool: ...

    @property
    def restarts(self) -> int: ...

    @property
    def started_at(self) -> str: ...


class ServerState(Protocol):
    """What an edge says of a server; a server counts as up before its first check."""

    @property
    def up(self) -> bool: ...

    @property
    def checked(self) -> bool: ...

    @property
    def last_check(self) -> str: ...


class HealthSource(StrEnum):
    """Where the health of a replica is seen."""

    EDGE = "edge"
    """The edge's own checks of the replica's address."""
    CONTAINER = "container"
    """The image's HEALTHCHECK, which the engine runs."""
    COMMAND = "command"
    """A command that we run in the container."""
    UPTIME = "uptime"
    """That the container stays up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at a running replica shows; what its kind does not look at is None.

    Attributes:
        server: the edge's status of the replica.
        exit_code: of the health command.
        watched_seconds: since the replica is watched.
    """

    container: ContainerState
    server: ServerState | None = None
    exit_code: int | None = None
    watched_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """One kind of health check.

    Attributes:
        edge_check: how the edge itself checks the replica's address; kinds that HAProxy cannot
            check become a connect.
        keys: keys below `health` of deploy.yaml that only this kind uses.
        describe: says what must hold; its second argument marks values of the configuration.
        explain: says what the last look showed, with a hint where there is a usual cause.
    """

    kind: Literal["http", "tcp", "command", "docker", "running"]
    source: HealthSource
    edge_check: Literal["http", "tcp"] = "tcp"
    keys: frozenset[str] = frozenset()
    describe: Callable[[Health, Callable[[object], str]], str]
    explain: Callable[[Health, Look], str]

    def probe_path(self, health: Health) -> str:
        """Return the path that requests besides the health check ask for, if none is configured."""
        return health.path if self.edge_check == "http" else "/"


def edge_path(environment: Environment) -> str:
    """Return what requests through the edge ask for that prove nothing but that it is reached: the
    health path, or the route's where the health path leads to another service."""
    if environment.probe.path:
        return environment.probe.path
    path = health_check(environment.health).probe_path(environment.health)
    route = "/" if environment.route is None else environment.route.path
    return path if is_below(path, route) else route


@dataclass(slots=True)
class HealthWatch:
    """Decides whether one replica has become healthy, from look to look.

    Make the looks while the container runs, `pause_seconds` apart.
    """

    health: Health
    _successes: int = field(default=0, init=False)
    """Of the command, in a row."""

    def is_healthy(self, look: Look) -> bool:
        """Note one look and tell whether the replica is healthy now."""
        match health_check(self.health).source:
            case HealthSource.EDGE:
                # HAProxy counts a server as up before its first check.
                return look.server is not None and look.server.up and look.server.checked
            case HealthSource.CONTAINER:
                return look.container.health == "healthy"
            case HealthSource.COMMAND:
                self._successes = self._successes + 1 if look.exit_code == 0 else 0
                return self._successes >= self.health.successes
            case HealthSource.UPTIME:
                needed = self.health.successes * self.health.interval_seconds
                return look.watched_seconds >= max(_MIN_UPTIME_SECONDS, needed)

    def pause_seconds(self, watched_seconds: float) -> float:
        """Return how long to wait for the next look: the configured interval where the look is
        the check itself, else less, since it only reads what others have checked."""
        if health_check(self.health).source is HealthSource.COMMAND:
            return self.health.interval_seconds
        least, most = _POLL_SECONDS
        return min(max(watched_seconds * _POLL_SHARE, least), most)


def health_check(health: Health) -> HealthCheck:
    """Return the kind of a configured health check."""
    return HEALTH_CHECKS[health.kind]


def explain_unhealthy(health: Health, server: ServerState | None, container: ContainerState) -> str:
    """Say what the last health check saw, with a hint where there is a usual cause."""
    look = Look(container=container, server=server)
    return health_check(health).explain(health, look)


def is_condemned(health: Health, container: ContainerState) -> bool:
    """Tell whether the image's HEALTHCHECK says unhealthy, where deploy.yaml asks for its word."""
    own = health_check(health).source is HealthSource.CONTAINER
    return own and container.health == "unhealthy"


def explain_exit(container: ContainerState) -> str:
    """Say why a container that should run has ended."""
    code = container.exit_code
    if container.out_of_memory:
        limit = container.memory_bytes // 2**20
        return (
            f"out of memory (exit code {code}): the kernel killed it at its limit of {limit} MiB; "
            "raise resources.memory or let it use less"
        )
    reason = _CODES.get(code, "see its log")
    message = f" ({container.error})" if container.error else ""
    return f"exit code {code}: {reason}{message}"


def explain_instability(container: ContainerState, now: datetime) -> str:
    """Say that a container has ended, or that its engine restarted it within the last ten minutes;
    empty where it stays up."""
    times = "once" if container.restarts == 1 else f"{container.restarts} times"
    if container.status == "restarting":
        return f"it keeps ending, and was restarted {times}: {explain_exit(container)}"
    if not container.running:
        return explain_exit(container)
    if not container.restarts:
        return ""
    try:
        up = now - datetime.fromisoformat(container.started_at)
    except (ValueError, TypeError):
        return f"it was restarted {times}; when is unknown"
    if up >= _STABLE_AFTER:
        return ""
    return (
        f"it ended and was restarted {times}, the last time {max(0, up.total_seconds()):.0f} s ago; "
        "its log says why"
    )


def last_answer(health: Health, look: Look) -> str:
    """Say in a few words what a look saw; nothing that came from the application itself."""
    match health_check(health).source:
        case HealthSource.CONTAINER:
            return f"the image's HEALTHCHECK says {look.container.health}"
        case HealthSource.COMMAND:
            return f"last exit code: {look.exit_code}"
        case HealthSource.UPTIME:
            return ""
        case HealthSource.EDGE:
            return _edge_answer(health, "" if look.server is None else look.server.last_check)


def _edge_answer(health: Health, message: str) -> str:
    code, status = message[:6], re.search(r"\b[1-5]\d\d\b", message)
    if code.startswith("L4CON"):
        return "last answer: connection refused"
    if code[2:] == "TOUT":
        return f"no answer within {health.timeout_seconds:g} s"
    if code.startswith("L7") and status is not None:
        return f"last answer: {status[0]}"
    return f"last answer: {code.rstrip(':')}" if code else "no answer yet"


def start_failure(code: ErrorCode) -> str:
    """Say why the engine could not start a container; empty where the code does not tell."""
    return _START_FAILURES.get(code, "")


def _explain_edge(health: Health, look: Look) -> str:
    if look.server is None or not look.server.last_check:
        return "no health check has answered"
    message = look.server.last_check
    if "refused" in message.lower() or message.startswith("L4CON"):
        return (
            f"connection refused ({message}): nothing listens on that port of the container's "
            "address; it must listen on 0.0.0.0, not on 127.0.0.1, and on the port that "
            "deploy.yaml names"
        )
    if message.startswith(("L7TOUT", "L4TOUT", "L6TOUT")):
        return f"no answer within {health.timeout_seconds:g} s ({message})"
    if message.startswith("L7STS"):
        return f"GET {health.path} did not answer 2xx, and a redirect does not count ({message})"
    return message


def _explain_container(_health: Health, look: Look) -> str:
    container = look.container
    return f"the image's HEALTHCHECK says {container.health}: {container.health_log or '-'}"


def _explain_command(health: Health, look: Look) -> str:
    if look.exit_code is None:
        return _explain_edge(health, look)
    return f"the command {' '.join(health.command)} ended with exit code {look.exit_code}"


HEALTH_CHECKS: dict[str, HealthCheck] = {
    check.kind: check
    for check in (
        HealthCheck(
            kind="http",
            source=HealthSource.EDGE,
            edge_check="http",
            keys=frozenset({"path", "headers", "identity"}),
            describe=lambda health, code: f"{code(f'GET {health.path}')} answers 2xx",
            explain=_explain_edge,
        ),
        HealthCheck(
            kind="tcp",
            source=HealthSource.EDGE,
            describe=lambda _health, _code: "the port accepts",
            explain=_explain_edge,
        ),
        HealthCheck(
            kind="command",
            source=HealthSource.COMMAND,
            keys=frozenset({"command"}),
            describe=lambda health, code: f"{code(' '.join(health.command))} exits 0",
            explain=_explain_command,
        ),
        HealthCheck(
            kind="docker",
            source=HealthSource.CONTAINER,
            describe=lambda _health, _code: "the image's HEALTHCHECK passes",
            explain=_explain_container,
        ),
        HealthCheck(
            kind="running",
            source=HealthSource.UPTIME,
            describe=lambda _health, _code: "the container stays up",
            explain=_explain_edge,
        ),
    )
}
