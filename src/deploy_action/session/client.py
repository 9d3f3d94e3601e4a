"""The talk with a host's `session`: files of the state volume and the edge's runtime.

The other end is platforms/docker/edge/image/session, whose head comment is the protocol's description.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from typing import Protocol, TypeVar

from deploy_action.errors import DeploymentFailed
from deploy_action.session import requests
from deploy_action.session.requests import Answer, Conflict, Request

__all__ = ["Conflict", "Session", "SessionClient", "SessionLost"]

T = TypeVar("T")

_ANSWER_SECONDS = 60.0
_AHEAD_BYTES = 16 * 1024
"""How much may be sent before an earlier answer is read: a session that waits until its answer is
taken reads nothing, and what the pipes between do not hold would wait for it in turn."""
_DOING = {
    "edge": "the edge keeps its old routes, since it refused the new ones",
    "haproxy": "the edge does not answer",
    "put": "the ledger could not be written",
    "reserve": "there is no room to write down how this deployment ends",
}


class SessionLost(DeploymentFailed):
    """The session ended: the lock is gone, and nothing more may be changed."""


class Session(Protocol):
    """What the state and the edge need of a session."""

    def ask(self, request: Request[T]) -> T:
        """Send a request and return its answer: one round trip, of how many lines it may be."""

    def ping(self) -> None:
        """Make sure that the session, and with it the lock, is still there."""

    def get(self, path: str) -> bytes | None:
        """Read a file; None when there is none."""

    def names(self, directory: str) -> tuple[str, ...]:
        """List a directory."""

    def put(self, path: str, content: bytes) -> None:
        """Replace a file: whole and synced, or not at all."""

    def delete(self, path: str) -> None:
        """Remove a file."""

    def change_edge(
        self, configuration: str, *, generation: int, reload: bool, commands: str
    ) -> str:
        """Replace the edge's configuration if it still has `generation`; raises Conflict."""

    def haproxy(self, commands: str) -> str:
        """Ask HAProxy's runtime API."""


@dataclass(slots=True)
class SessionClient:
    """A Session over a socket. One request at a time; threads take turns."""

    host: str
    stream: socket.socket
    _guard: threading.Lock
    _reader: BufferedReader

    def __init__(self, host: str, stream: socket.socket) -> None:
        self.host = host
        self.stream = stream
        self.stream.settimeout(_ANSWER_SECONDS)
        self._guard = threading.Lock()
        self._reader = stream.makefile("rb")

    def close(self) -> None:
        """End the session: its input ends, and so does the container that is the lock."""
        with contextlib.suppress(OSError):
            self.stream.shutdown(socket.SHUT_RDWR)
        self._reader.close()
        self.stream.close()

    def beat(self) -> None:
        """Keep the lease; a lost session is found out by the next request."""
        # A request that waits for its answer keeps the session busy, not silent.
        if self._guard.acquire(blocking=False):
            try:
                with contextlib.suppress(OSError):
                    self.stream.sendall(b"beat\n")
            finally:
                self._guard.release()

    def ask(self, request: Request[T]) -> T:
        """Send a request and return its answer; answers of all lines are read before any counts.

        Raises:
            DeploymentFailed: the session refused it.
            SessionLost: it ended before it had answered all; what it did is not known.
        """
        with self._guard:
            try:
                answers = list(self._exchange(request.sent))
            except (OSError, ValueError) as error:
                raise self._lost() from error
            except SessionLost:
                raise
            except BaseException:
                # A signal: an answer is still on its way, and the next request would take it
                # for its own.
                self.close()
                raise
        return request.read(answers)

    def ping(self) -> None:
        self.ask(requests.ping())

    def get(self, path: str) -> bytes | None:
        return self.ask(requests.get(path))

    def names(self, directory: str) -> tuple[str, ...]:
        return self.ask(requests.names(directory))

    def put(self, path: str, content: bytes) -> None:
        self.ask(requests.put(path, content))

    def delete(self, path: str) -> None:
        self.ask(requests.delete(path))

    def change_edge(
        self, configuration: str, *, generation: int, reload: bool, commands: str
    ) -> str:
        return self.ask(
            requests.change_edge(
                configuration, generation=generation, reload=reload, commands=commands
            )
        )

    def haproxy(self, commands: str) -> str:
        return self.ask(requests.haproxy(commands))

    def _exchange(self, sent: Sequence[bytes]) -> Iterator[Answer]:
        for batch in _batches(sent):
            self.stream.sendall(b"".join(batch))
            for line in batch:
                yield self._answer(line.split(maxsplit=1)[0].decode())

    def _answer(self, verb: str) -> Answer:
        head = self._reader.readline()
        status, _, size = head.decode().strip().partition(" ")
        content = self._reader.read(int(size)) if size else b""
        if not size or len(content) < int(size):
            raise self._lost()
        refusal = None
        if status == "error":
            said = _alerts(content.decode(errors="replace").strip())
            refusal = self._refused(verb, said)
        return Answer(status=status, content=content, refusal=refusal)

    def _refused(self, verb: str, said: str) -> DeploymentFailed:
        if "No space left" in said:
            return DeploymentFailed(
                f"{self.host}: {_DOING.get(verb, verb)}: {said}",
                cause="the disk of the host is full",
                remedy="make room there: docker system df, then docker image prune",
            )
        return DeploymentFailed(
            f"{self.host}: {_DOING.get(verb, verb)}: {said}",
            remedy="deploy-action status, then deploy-action doctor",
        )

    def _lost(self) -> SessionLost:
        return SessionLost(
            f"{self.host}: the lock is gone: its session ended",
            cause="it was removed by force, or this process was silent for longer than the lease",
            remedy="what serves now is not known here: deploy-action status says it, and the next "
            "command on these hosts settles what was left",
        )


def _batches(sent: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Divide into what may be sent before an answer is read: the first, and little behind it."""
    batch: list[bytes] = []
    for line in sent:
        if batch and sum(map(len, batch[1:])) + len(line) > _AHEAD_BYTES:
            yield batch
            batch = []
        batch.append(line)
    if batch:
        yield batch


def _alerts(said: str) -> str:
    """Keep what HAProxy raises the alarm about, without its chatter; other text as it is."""
    alerts = [line.split(" : ", 1)[-1].strip() for line in said.splitlines() if "[ALERT]" in line]
    return "; ".join(alerts[:3]) or said
