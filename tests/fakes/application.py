"""Applications as an image has them: when they are ready, what they answer, how they end."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from deploy_action.platforms.docker.edge.render import PROBE_HEADER, SERVED_BY_HEADER

__all__ = ["NOT_READY", "Application", "Reply", "serve"]

NOT_READY = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """How the containers of an image behave; ages are seconds since the container's start.

    Attributes:
        ready_seconds: age from which it answers; infinite for one that never becomes ready.
        flaps_seconds: it answers and fails in turns of this length; 0 is a steady one.
        ends_seconds: age at which it ends by itself, with `exit_code`.
        stop_seconds: how long it takes to end when it is asked to.
        docker_health: what the image's own HEALTHCHECK says; none where it has none.
        says: lines of its log at its start.
        refusal: what the engine says instead of starting it.
    """

    version: str
    port: int = 8080
    ready_seconds: float = 0.1
    flaps_seconds: float = 0.0
    ends_seconds: float = float("inf")
    exit_code: int = 0
    out_of_memory: bool = False
    stop_seconds: float = 0.1
    says_version: str = ""
    docker_health: Literal["none", "starting", "healthy", "unhealthy"] = "none"
    says: tuple[str, ...] = ()
    refusal: str = ""

    def status(self, age: float) -> int:
        """Return the HTTP status of an answer at this age."""
        if age < self.ready_seconds:
            return NOT_READY
        if self.flaps_seconds and int(age / self.flaps_seconds) % 2:
            return NOT_READY
        return 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer to a request.

    Attributes:
        token, served_by: the edge says who answered a request that carries the token.
        redirects_to: what stands before the path in its Location.
    """

    status: int
    version: str
    token: str = ""
    served_by: str = ""
    redirects_to: str = ""


def serve(connection: socket.socket, ask: Callable[[str], Reply | None]) -> None:
    """Answer one HTTP request on a connection in a thread; None closes it without an answer.

    Args:
        ask: gets the host name that the request is for.
    """
    threading.Thread(target=_serve, args=(connection, ask), daemon=True).start()


def _serve(connection: socket.socket, ask: Callable[[str], Reply | None]) -> None:
    with connection, contextlib.suppress(OSError):
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(65536)
            if not more:
                return
            head += more
        name = re.search(rb"\r\nhost: *([^:\r]+)", head, re.IGNORECASE)
        reply = ask(name[1].decode() if name else "")
        if reply is not None:
            body = f"version {reply.version}\n"
            asked = f"{PROBE_HEADER}: {reply.token}\r\n".encode() in head
            proof = f"{SERVED_BY_HEADER}: {reply.served_by}\r\n" if reply.token and asked else ""
            if reply.redirects_to:
                proof += f"Location: {reply.redirects_to}{head.split()[1].decode()}\r\n"
            connection.sendall(
                f"HTTP/1.1 {reply.status} Said\r\nX-Version: {reply.version}\r\n{proof}"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
            )
