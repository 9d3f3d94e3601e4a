"""A server that keeps what it is sent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from tests.support.received import Received, read_request

__all__ = ["Receiver", "receiver"]


class Receiver:
    """Answers with `answers` in turn, and with 204 once they are used up."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/secret-path"
        self.requests: list[Received] = []
        self.answers: list[int] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Refuse connections from now on."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection:
                    self.requests.append(read_request(connection))
                    status = self.answers.pop(0) if self.answers else 204
                    head = f"HTTP/1.1 {status} x\r\nLocation: {self.url}\r\nContent-Length: 0\r\n"
                    connection.sendall(f"{head}Connection: close\r\n\r\n".encode())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Start a receiver."""
    made = Receiver()
    yield made
    made.close()
