"""Servers of the tests' own, on real sockets, and a clock that does not wait."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
from tests.support.received import Received, read_request

from deploy_action.checks.dialer import Direct
from deploy_action.checks.target import Target

Behaviour = Callable[[socket.socket], None]
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
        values: dict[str, Any] = {"where": "replica 1 on web-1", "dialer": Direct()}
        return Target(**(values | {"address": "127.0.0.1", "port": self.port} | changes))


class Serve(Protocol):
    def __call__(self, behaviour: Behaviour) -> int:
        """Serve every connection with `behaviour`; return the port."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def serve() -> Iterator[Serve]:
    listeners: list[socket.socket] = []
    open_connections: set[socket.socket] = set()
    threads: list[threading.Thread] = []

    def start(behaviour: Behaviour) -> int:
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        listeners.append(listener)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                open_connections.add(connection)
                thread = threading.Thread(target=handle, args=(connection,), daemon=True)
                threads.append(thread)
                thread.start()

        def handle(connection: socket.socket) -> None:
            with connection:
                try:
                    behaviour(connection)
                except OSError:
                    pass

        thread = threading.Thread(target=accept, daemon=True)
        threads.append(thread)
        thread.start()
        return int(listener.getsockname()[1])

    yield start
    for end in (*listeners, *open_connections):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        end.close()
    for thread in threads:
        thread.join(5)


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


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for shop.example.com, made by openssl."""
    directory = tmp_path_factory.mktemp("tls")
    key, cert = directory / "key.pem", directory / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=shop.example.com"),
            *("-addext", "subjectAltName=DNS:shop.example.com"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return cert, key
