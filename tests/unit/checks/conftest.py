"""Servers of the tests' own, on real sockets, and a clock that does not wait."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.received import Received, read_request
from tests.support.servers import LoopbackDialer, Serve, certificate, serve

from deploy_action.checks.target import Target

__all__ = ["Application", "FakeClock", "certificate", "serve"]

Reply = tuple[int, dict[str, str], bytes]


class FakeClock:
    """Time that passes only when somebody sleeps or a test says so."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.time += seconds

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.time)


@dataclass
class Application:
    """An HTTP server whose answers the test writes down."""

    port: int
    replies: dict[str, Reply | Callable[[Received], Reply]]
    requests: list[Received] = field(default_factory=list)

    def target(self, **changes: Any) -> Target:
        values: dict[str, Any] = {"where": "replica 1 on web-1", "dialer": LoopbackDialer()}
        return Target(**(values | {"address": "127.0.0.1", "port": self.port} | changes))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def application(serve: Serve) -> Application:
    app = Application(port=0, replies={})

    def behaviour(connection: socket.socket) -> None:
        received = read_request(connection)
        app.requests.append(received)
        reply = app.replies.get(received.path.partition("?")[0], (404, {}, b"not here"))
        status, headers, body = reply(received) if callable(reply) else reply
        lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    app.port = serve(behaviour)
    return app
