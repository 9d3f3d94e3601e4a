"""Fixtures for tests with servers on real sockets: `serve` and `certificate`."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

__all__ = ["Behaviour", "LoopbackDialer", "Serve", "certificate", "serve"]

Behaviour = Callable[[socket.socket], None]


class Serve(Protocol):
    def __call__(self, behaviour: Behaviour) -> int:
        """Serve every connection with `behaviour`; return the port."""


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


class LoopbackDialer:
    """Connects from this machine, as tests' servers need it."""

    def dial(self, host: str, port: int, timeout_seconds: float) -> socket.socket:
        return socket.create_connection((host, port), timeout_seconds)
