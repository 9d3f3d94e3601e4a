"""Connections that start on a host itself, the same way whatever the transport is."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field

from deploy_action.errors import DeployActionError, DeploymentFailed
from deploy_action.platforms.docker.engine.protocol import Engine

__all__ = ["UNIX", "HostDialer"]

UNIX = "unix:"
_WAY = ("sh", "-c", 'read -r way && exec socat -t 300 - "$way"')
"""Told by its first line where to connect to: it can be started before anybody knows that."""


@dataclass(slots=True, kw_only=True)
class HostDialer:
    """Has socat connect in a container on the host; its input and output are our socket.

    To start a command in a container takes an engine some 50 ms. So one can be started ahead, for
    the connection to come.
    """

    engine: Engine
    container_id: str
    _ahead: list[socket.socket] = field(default_factory=list)

    def prepare(self) -> None:
        """Start one ahead; where that fails, the connection itself will tell why."""
        with contextlib.suppress(DeployActionError, OSError):
            self._ahead.append(self.engine.connect(self.container_id, _WAY))

    def close(self) -> None:
        """Let go of what was started ahead and not needed."""
        while self._ahead:
            self._ahead.pop().close()

    def apart(self) -> HostDialer:
        """Return a dialer of its own, which takes nothing that was started ahead for others."""
        return HostDialer(engine=self.engine, container_id=self.container_id)

    def dial(self, host: str, port: int, timeout_seconds: float) -> socket.socket:
        """Connect to an address, or a socket (`unix:PATH`), as the host sees it.

        Raises:
            OSError: the stream could not be opened. A refused connection shows as an end of the
                stream before any answer.
        """
        seconds = max(1, round(timeout_seconds))
        way = f"TCP:{host}:{port},connect-timeout={seconds}"
        if host.startswith(UNIX):
            way = f"UNIX-CONNECT:{host.removeprefix(UNIX)}"
        connection = self._started()
        try:
            connection.settimeout(timeout_seconds)
            connection.sendall(f"{way}\n".encode())
        except OSError:
            connection.close()
            raise
        return connection

    def _started(self) -> socket.socket:
        # Of several threads one gets it: a pop is one operation.
        with contextlib.suppress(IndexError):
            return self._ahead.pop()
        try:
            return self.engine.connect(self.container_id, _WAY)
        except DeploymentFailed as error:
            raise ConnectionError(str(error)) from error
