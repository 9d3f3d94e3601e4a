"""A real registry on this machine, and a door in front of it that can be shut or break."""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

from tests.support.sandbox import docker, free_port, until

__all__ = ["Registry", "registry"]

IMAGE = "deploy-action-test/registry:2.8.3"
Mode = Literal["open", "shut", "cut", "unauthorized"]


@dataclass(slots=True, kw_only=True)
class Registry:
    """`mode` says what the door does with each new connection."""

    port: int
    inner: int
    mode: Mode = "open"
    connections: int = 0
    _listener: socket.socket = field(default_factory=socket.socket)

    @property
    def name(self) -> str:
        """What image names begin with."""
        return f"127.0.0.1:{self.port}"

    def push(self, local: str, name: str) -> str:
        """Push an image of the engine under a name, straight to the registry; return its digest."""
        target = f"127.0.0.1:{self.inner}/{name}"
        docker("tag", local, target)
        said = docker("push", target)
        docker("rmi", target)
        return said.split("digest: ")[1].split()[0]

    def serve(self) -> None:
        """Pass connections on, or not."""
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen()
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        with client:
            if self.mode == "shut":
                return
            if self.mode == "unauthorized":
                client.recv(65536)
                client.sendall(
                    b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n"
                    b'WWW-Authenticate: Basic realm="test"\r\nConnection: close\r\n\r\n'
                )
                return
            with socket.create_connection(("127.0.0.1", self.inner)) as server:
                back = threading.Thread(target=_copy, args=(server, client, self), daemon=True)
                back.start()
                _copy(client, server, None)
                back.join(10)

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _copy(source: socket.socket, target: socket.socket, door: Registry | None) -> None:
    passed = 0
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            passed += len(data)
            if door is not None and door.mode == "cut" and passed > 200_000:
                break
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def registry() -> Iterator[Registry]:
    """Start one and take it away again."""
    inner, name = free_port(), f"test-registry-{uuid4().hex[:8]}"
    docker("run", "-d", "--name", name, "-p", f"127.0.0.1:{inner}:5000", IMAGE)
    made = Registry(port=free_port(), inner=inner)
    threading.Thread(target=made.serve, daemon=True).start()
    try:
        until(lambda: _answers(inner), "the registry answers")
        yield made
    finally:
        made.close()
        docker("rm", "-fv", name)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=2):
            return True
    except (OSError, urllib.error.URLError):
        return False
