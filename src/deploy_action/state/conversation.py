"""The talk with a host's `session`: files of the state volume and the edge's runtime.

The other end is edge/image/session, whose head comment is the protocol's description.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from io import BufferedReader
from typing import Protocol

from deploy_action.errors import DeploymentFailed

__all__ = ["Conversation", "SessionLost", "Stale", "Talk"]

_ANSWER_SECONDS = 60.0
_DOING = {
    "edge": "the edge keeps its old routes, since it refused the new ones",
    "haproxy": "the edge does not answer",
    "put": "the ledger could not be written",
    "reserve": "there is no room to write down how this deployment ends",
}


class SessionLost(DeploymentFailed):
    """The session ended: the lock is gone, and nothing more may be changed."""


class Stale(Exception):
    """The edge's configuration was changed by somebody else in between."""


class Talk(Protocol):
    """What the state and the edge need of a session."""

    def ping(self) -> None:
        """Make sure that the session, and with it the lock, is still there."""

    def get(self, path: str) -> bytes | None:
        """Read a file; None when there is none."""

    def recent(self, directory: str, count: int) -> tuple[tuple[str, bytes], ...]:
        """Read the last `count` JSON files by name, oldest first."""

    def names(self, directory: str) -> tuple[str, ...]:
        """List a directory."""

    def put(self, path: str, content: bytes) -> None:
        """Replace a file: whole and synced, or not at all."""

    def delete(self, path: str) -> None:
        """Remove a file."""

    def reserve(self) -> None:
        """Keep room aside, so that the outcome can be written on a full disk."""

    def change_edge(
        self, configuration: str, *, generation: int, reload: bool, commands: str
    ) -> str:
        """Replace the edge's configuration if it still has `generation`; raises Stale."""

    def haproxy(self, commands: str) -> str:
        """Ask HAProxy's runtime API."""

    def before(self, commands: str) -> str:
        """Ask the processes that a reload left behind, each of them; one command a line."""


@dataclass(slots=True)
class Conversation:
    """A Talk over a socket. One request at a time; threads take turns."""

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

    def ping(self) -> None:
        self._ask("ping")

    def get(self, path: str) -> bytes | None:
        status, content = self._ask(f"get {path}")
        return None if status == "none" else content

    def recent(self, directory: str, count: int) -> tuple[tuple[str, bytes], ...]:
        _, content = self._ask(f"recent {directory} {count}")
        found = []
        while content:
            head, _, content = content.partition(b"\n")
            size, name = head.split(b" ", 1)
            found.append((name.decode(), content[: int(size)]))
            content = content[int(size) :]
        return tuple(found)

    def names(self, directory: str) -> tuple[str, ...]:
        return tuple(self._ask(f"list {directory}")[1].decode().split())

    def put(self, path: str, content: bytes) -> None:
        self._ask(f"put {path} {len(content)}", content)

    def delete(self, path: str) -> None:
        self._ask(f"delete {path}")

    def reserve(self) -> None:
        self._ask("reserve")

    def change_edge(
        self, configuration: str, *, generation: int, reload: bool, commands: str
    ) -> str:
        new, talk = configuration.encode(), commands.encode()
        verb = "reload" if reload else "keep"
        status, answer = self._ask(f"edge {generation} {verb} {len(new)} {len(talk)}", new + talk)
        if status == "stale":
            raise Stale
        return answer.decode(errors="replace")

    def haproxy(self, commands: str) -> str:
        sent = commands.encode()
        return self._ask(f"haproxy {len(sent)}", sent)[1].decode(errors="replace")

    def before(self, commands: str) -> str:
        sent = commands.encode()
        return self._ask(f"before {len(sent)}", sent)[1].decode(errors="replace")

    def _ask(self, line: str, payload: bytes = b"") -> tuple[str, bytes]:
        with self._guard:
            try:
                self.stream.sendall(line.encode() + b"\n" + payload)
                head = self._reader.readline()
                status, _, size = head.decode().strip().partition(" ")
                content = self._reader.read(int(size)) if size else b""
            except (OSError, ValueError) as error:
                raise self._lost() from error
            except BaseException:
                # A signal: an answer is still on its way, and the next request would take it
                # for its own.
                self.close()
                raise
        if not size or len(content) < int(size):
            raise self._lost()
        if status == "error":
            raise self._refused(
                line.split(" ", 1)[0], _alerts(content.decode(errors="replace").strip())
            )
        return status, content

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


def _alerts(said: str) -> str:
    """Keep what HAProxy raises the alarm about, without its chatter; other text as it is."""
    alerts = [line.split(" : ", 1)[-1].strip() for line in said.splitlines() if "[ALERT]" in line]
    return "; ".join(alerts[:3]) or said
