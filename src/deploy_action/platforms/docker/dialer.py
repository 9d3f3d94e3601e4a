"""Connections that start on a host itself, the same way whatever the transport is."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from deploy_action.checks.dialer import require_allowed
from deploy_action.errors import DeploymentFailed
from deploy_action.platforms.docker.engine.protocol import Engine

__all__ = ["UNIX", "HostDialer"]

UNIX = "unix:"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDialer:
    """Runs socat in a container on the host; its input and output are the connection."""

    engine: Engine
    container_id: str

    def dial(self, host: str, port: int, timeout_seconds: float) -> socket.socket:
        """Connect to an address, or a socket (`unix:PATH`), as the host sees it.

        Raises:
            OSError: the stream could not be opened. A refused connection shows as an end of the
                stream before any answer.
        """
        seconds = max(1, round(timeout_seconds))
        if host.startswith(UNIX):
            address = f"UNIX-CONNECT:{host.removeprefix(UNIX)}"
        else:
            require_allowed(host)
            where = f"[{host}]" if ":" in host else host
            address = f"TCP:{where}:{port},connect-timeout={seconds}"
        try:
            connection = self.engine.connect(
                self.container_id, ("socat", "-t", "300", "-", address)
            )
        except DeploymentFailed as error:
            raise ConnectionError(str(error)) from error
        connection.settimeout(timeout_seconds)
        return connection
