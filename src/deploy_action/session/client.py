"""The client of a host's `session`: files of the state volume and HAProxy's runtime API.

The head comment of platforms/docker/edge/image/session describes the protocol.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import TypeVar

from deploy_action.budget import BoundedStream
from deploy_action.errors import DeploymentFailed, ErrorCode, SessionLost
from deploy_action.session import queries
from deploy_action.session.queries import Query, Response

__all__ = ["Session"]

T = TypeVar("T")

_RESPONSE_SECONDS = 60.0
_RESPONSE_BYTES = 1 << 27
_HEAD_BYTES = 64
_PIPELINED_BYTES = 16 * 1024
"""How much is sent before an earlier response is read. The session stops reading while its response
is not taken, and what does not fit into the pipes between would then wait for ever."""
_FAILURES = {
    "edge": (
        ErrorCode.EDGE_REFUSED,
        "the edge keeps its old routes, since it refused the new ones",
    ),
    "haproxy": (ErrorCode.EDGE_NOT_RUNNING, "the edge does not answer"),
    "put": (ErrorCode.DEPLOYMENT_FAILED, "a file of the state volume could not be written"),
    "reserve": (ErrorCode.DEPLOYMENT_FAILED, "no disk space could be reserved for the outcome"),
}


class Session:
    """A session over a socket. Threads take turns: one query, or joined ones, at a time."""

    def __init__(self, host: str, stream: socket.socket) -> None:
        self.host = host
        self._stream = stream
        self._stream.settimeout(_RESPONSE_SECONDS)
        self._guard = threading.Lock()
        self._incoming = BoundedStream(stream, seconds=_RESPONSE_SECONDS, size=_RESPONSE_BYTES)
        self._reader = self._incoming.makefile()

    def close(self) -> None:
        """End the session: its input ends, and with it the container that is the lock."""
        with contextlib.suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)
        self._reader.close()
        self._stream.close()

    def beat(self) -> None:
        """Keep the lease; a lost session shows at the next query."""
        # A query under way keeps the lease by itself.
        if self._guard.acquire(blocking=False):
            try:
                with contextlib.suppress(OSError):
                    self._stream.sendall(b"beat\n")
            finally:
                self._guard.release()

    def ask(self, query: Query[T]) -> T:
        """Send a query, in one round trip, and return its value.

        Raises:
            DeploymentFailed: the session refused it.
            SessionLost: the session ended before its last response; what it has done is unknown.
        """
        with self._guard:
            try:
                responses = list(self._exchange(query.sent))
            except (OSError, ValueError) as error:
                raise self._lost() from error
            except SessionLost:
                raise
            except BaseException:
                # Interrupted by a signal: the next query would read this one's response.
                self.close()
                raise
        return query.read(responses)

    def ping(self) -> None:
        """Confirm that the session, and with it the lock, is still held."""
        self.ask(queries.ping())

    def get(self, path: str) -> bytes | None:
        """Read a file; None when there is none."""
        return self.ask(queries.get(path))

    def names(self, directory: str) -> tuple[str, ...]:
        """List a directory."""
        return self.ask(queries.names(directory))

    def put(self, path: str, content: bytes) -> None:
        """Replace a file atomically, and sync it."""
        self.ask(queries.put(path, content))

    def delete(self, path: str) -> None:
        """Remove a file; an absent one is fine."""
        self.ask(queries.delete(path))

    def change_edge(
        self, configuration: str, *, generation: int, reload: bool, commands: str
    ) -> str:
        """Replace the edge's configuration if it still has `generation`; raises Conflict."""
        return self.ask(
            queries.change_edge(
                configuration, generation=generation, reload=reload, commands=commands
            )
        )

    def haproxy(self, commands: str) -> str:
        """Send commands to HAProxy's runtime API."""
        return self.ask(queries.haproxy(commands))

    def _exchange(self, sent: Sequence[bytes]) -> Iterator[Response]:
        for batch in _batches(sent):
            self._stream.settimeout(_RESPONSE_SECONDS)
            self._stream.sendall(b"".join(batch))
            for line in batch:
                yield self._response(line.split(maxsplit=1)[0].decode())

    def _response(self, verb: str) -> Response:
        self._incoming.renew(seconds=_RESPONSE_SECONDS, size=_RESPONSE_BYTES)
        head = self._reader.readline(_HEAD_BYTES)
        status, _, text = head.decode().strip().partition(" ")
        size = int(text) if text else -1
        content = self._reader.read(size) if 0 <= size <= _RESPONSE_BYTES else b""
        if len(content) != size:
            raise self._lost()
        error = None
        if status == "error":
            error = self._error(verb, _alerts(content.decode(errors="replace").strip()))
        return Response(status=status, content=content, error=error)

    def _error(self, verb: str, text: str) -> DeploymentFailed:
        code, what = _FAILURES.get(verb, (ErrorCode.DEPLOYMENT_FAILED, verb))
        cause, remedy = "", "deploy-action status, then deploy-action doctor"
        # The system's own words (ENOSPC), which the session passes on.
        if "No space left" in text:
            code, cause = ErrorCode.DISK_FULL, "the disk of the host is full"
            remedy = "free space there: docker system df, then docker image prune"
        return DeploymentFailed(
            f"{self.host}: {what}: {text}", cause=cause, remedy=remedy, code=code
        )

    def _lost(self) -> SessionLost:
        return SessionLost(
            f"{self.host}: the lock is lost: its session ended",
            cause="it was removed by force, or this process was silent for longer than the lease",
            remedy="deploy-action status shows what serves now; the next command on these hosts "
            "recovers the interrupted deployment",
        )


def _batches(sent: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Group lines by what may be sent before a response is read: the first line and few bytes more."""
    batch: list[bytes] = []
    for line in sent:
        if batch and sum(map(len, batch[1:])) + len(line) > _PIPELINED_BYTES:
            yield batch
            batch = []
        batch.append(line)
    if batch:
        yield batch


def _alerts(text: str) -> str:
    """Reduce HAProxy's output to its alerts; return any other text unchanged."""
    alerts = [line.split(" : ", 1)[-1].strip() for line in text.splitlines() if "[ALERT]" in line]
    return "; ".join(alerts[:3]) or text
