"""An engine whose answers get lost: the request is carried out, and nobody hears of it."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["LossyEngine", "lossy_engine"]

_ENGINE = "/var/run/docker.sock"


@dataclass(slots=True, kw_only=True)
class LossyEngine:
    """A door in front of the engine's socket; `lose` says which answer does not come through."""

    path: Path
    lost: int = 0
    _pattern: re.Pattern[bytes] | None = None
    _skip: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _listener: socket.socket = field(
        default_factory=lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    )

    @property
    def host(self) -> str:
        """What deploy.yaml calls it."""
        return f"unix://{self.path}"

    def lose(self, request: bytes, *, after: int = 0) -> None:
        """Lose the answer to one request: the first that matches after so many others did."""
        self._pattern, self._skip, self.lost = re.compile(request), after, 0

    def serve(self) -> None:
        """Pass connections on."""
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _pass(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as engine:
            engine.connect(_ENGINE)
            silent = threading.Event()
            back = threading.Thread(target=_copy, args=(engine, client, silent), daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                while data := client.recv(65536):
                    if self._is_lost(data):
                        silent.set()
                    engine.sendall(data)
                engine.shutdown(socket.SHUT_WR)
            back.join()

    def _is_lost(self, data: bytes) -> bool:
        with self._guard:
            if self._pattern is None or not self._pattern.match(data):
                return False
            if self._skip:
                self._skip -= 1
                return False
            self._pattern = None
            self.lost += 1
            return True


def _copy(engine: socket.socket, client: socket.socket, silent: threading.Event) -> None:
    """Copy answers; one that must get lost cuts the connection when the engine has given it."""
    with contextlib.suppress(OSError):
        while data := engine.recv(65536):
            if silent.is_set():
                client.shutdown(socket.SHUT_RDWR)
                return
            client.sendall(data)
        client.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def lossy_engine(directory: Path) -> Iterator[LossyEngine]:
    """Open a door in front of this machine's engine."""
    made = LossyEngine(path=directory / "engine.sock")
    threading.Thread(target=made.serve, daemon=True).start()
    try:
        yield made
    finally:
        made.close()
