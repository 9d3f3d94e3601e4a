"""Smoke tests over TCP: one connection, and what the other side must say first."""

from __future__ import annotations

import socket
from collections.abc import Callable

from deploy_action.checks.exchange import Deadline, explain
from deploy_action.checks.result import CheckFailure, CheckFailureKind
from deploy_action.checks.smoke_kind import Place, SmokeContext, SmokeKind
from deploy_action.config.model import TcpSmoke
from deploy_action.redaction import redact

__all__ = ["TCP"]

_STAYS_OPEN_SECONDS = 0.3
"""How long a connection must stay open where nothing is expected.

A proxy accepts before it knows whether its backend is up and closes the connection right after; so
does the other end of a `docker exec`.
"""


def _applies(test: TcpSmoke, place: Place) -> bool:
    # A port of its own is the container's; the edge has it only if told so: `through: [edge]`.
    container_port = test.port is not None and "replica" in test.through
    return place in test.through and not (place == "edge" and container_port)


def _describe(test: TcpSmoke, code: Callable[[object], str]) -> str:
    port = f"port {test.port}" if test.port else "the port"
    return f"{port} accepts" + (f" and says {code(test.expect)}" if test.expect else "")


def _run(test: TcpSmoke, context: SmokeContext) -> tuple[CheckFailure, ...]:
    port = test.port or context.target.port
    with Deadline(test.timeout_seconds) as deadline:
        try:
            with context.target.dial(port, test.timeout_seconds) as connection:
                deadline.guard(connection)
                connection.settimeout(deadline.socket_seconds)
                if test.send:
                    connection.sendall(test.send.encode())
                if test.expect:
                    return _expect(connection, test.expect, deadline)
                return _stays_open(connection, min(_STAYS_OPEN_SECONDS, deadline.seconds), port)
        except OSError as error:
            if deadline.expired:
                detail = f"no answer within {test.timeout_seconds:g} s"
                return (CheckFailure(CheckFailureKind.TIMED_OUT, detail),)
            return (explain(error, port).failure(),)


def _expect(
    connection: socket.socket, expected: str, deadline: Deadline
) -> tuple[CheckFailure, ...]:
    prefix = expected.encode()
    got = bytearray()
    while len(got) < len(prefix) and prefix.startswith(got):
        data = connection.recv(len(prefix) - len(got))
        if not data:
            break
        got += data
    if got == prefix:
        return ()
    answer = redact.quote(got.decode("utf-8", "replace")) if got else "nothing"
    detail = f"expected an answer that begins with {redact.quote(expected)}, got {answer}"
    if deadline.expired:
        detail = f"{detail} within {deadline.seconds:g} s"
        return (CheckFailure(CheckFailureKind.TIMED_OUT, detail),)
    return (CheckFailure(CheckFailureKind.WRONG_OUTPUT, detail),)


def _stays_open(connection: socket.socket, seconds: float, port: int) -> tuple[CheckFailure, ...]:
    connection.settimeout(seconds)
    try:
        data = connection.recv(1)
    except TimeoutError:
        return ()
    if data:
        return ()
    detail = f"port {port} accepted the connection and closed it at once"
    return (CheckFailure(CheckFailureKind.CONNECTION_CLOSED, detail),)


TCP = SmokeKind(type=TcpSmoke, applies=_applies, describe=_describe, run=_run)
