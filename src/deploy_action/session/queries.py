"""Queries to a host's `session`, as values, and how their responses are read.

`pair` and `sequence` join queries into one round trip. The session runs them in order, and each
runs whether or not those before it succeeded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from deploy_action.errors import DeploymentFailed

__all__ = [
    "Conflict",
    "Query",
    "Response",
    "change_edge",
    "delete",
    "get",
    "haproxy",
    "names",
    "old_workers",
    "optional",
    "pair",
    "ping",
    "put",
    "recent",
    "reserve",
    "sequence",
]

A = TypeVar("A")
B = TypeVar("B")


class Conflict(Exception):
    """The edge's configuration has another generation than expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The response to one line: status ("ok", "none", "conflict", "error") and content."""

    status: str
    content: bytes
    error: DeploymentFailed | None = None

    def require(self) -> bytes:
        """Return the content, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.content


@dataclass(frozen=True, slots=True)
class Query(Generic[A]):
    """What is sent, in the protocol of platforms/docker/edge/image/session, and how it is read.

    Attributes:
        sent: lines, each with its payload.
        read: takes one response per line; raises DeploymentFailed where the session refused.
    """

    sent: tuple[bytes, ...]
    read: Callable[[Sequence[Response]], A]

    def map(self, convert: Callable[[A], B]) -> Query[B]:
        """Convert the value."""
        return Query(self.sent, lambda responses: convert(self.read(responses)))


def pair(first: Query[A], second: Query[B]) -> Query[tuple[A, B]]:
    """Join two queries; an error of either is an error of both."""
    cut = len(first.sent)
    return Query(
        first.sent + second.sent,
        lambda responses: (first.read(responses[:cut]), second.read(responses[cut:])),
    )


def sequence(*queries: Query[None]) -> Query[None]:
    """Join queries without a value; the first error is raised."""
    joined: Query[None] = Query((), lambda _: None)
    for query in queries:
        joined = pair(joined, query).map(lambda _: None)
    return joined


def optional(query: Query[A]) -> Query[A | None]:
    """Read an error as None."""

    def read(responses: Sequence[Response]) -> A | None:
        try:
            return query.read(responses)
        except DeploymentFailed:
            return None

    return Query(query.sent, read)


def ping() -> Query[None]:
    """Confirm that the session, and with it the lock, is still held."""
    return _query("ping", _done)


def get(path: str) -> Query[bytes | None]:
    """Read a file; None when there is none."""
    return _query(f"get {path}", lambda r: None if r.status == "none" else r.require())


def recent(directory: str, count: int) -> Query[tuple[tuple[str, bytes], ...]]:
    """Read the last `count` JSON files by name, oldest first, as (name, content)."""
    return _query(f"recent {directory} {count}", lambda r: tuple(_files(r.require())))


def names(directory: str) -> Query[tuple[str, ...]]:
    """List a directory."""
    return _query(f"list {directory}", lambda r: tuple(r.require().decode().split()))


def put(path: str, content: bytes) -> Query[None]:
    """Replace a file atomically, and sync it."""
    raw = " raw" if b"\0" in content else ""
    return _query(f"put {path} {len(content)}{raw}", _done, content)


def delete(path: str) -> Query[None]:
    """Remove a file; an absent one is fine."""
    return _query(f"delete {path}", _done)


def reserve() -> Query[None]:
    """Reserve disk space, so that the outcome can be written even when the disk is full."""
    return _query("reserve", _done)


def change_edge(configuration: str, *, generation: int, reload: bool, commands: str) -> Query[str]:
    """Replace the edge's configuration if it still has `generation`; reading raises Conflict."""
    new, runtime = _encode(configuration), _encode(commands)
    mode = "reload" if reload else "keep"

    def read(response: Response) -> str:
        if response.status == "conflict":
            raise Conflict
        return _text(response)

    return _query(f"edge {generation} {mode} {len(new)} {len(runtime)}", read, new + runtime)


def haproxy(commands: str) -> Query[str]:
    """Send commands to HAProxy's runtime API."""
    sent = _encode(commands)
    return _query(f"haproxy {len(sent)}", _text, sent)


def old_workers(commands: str) -> Query[str]:
    """Send commands, one a line, to every HAProxy worker from before a reload."""
    sent = _encode(commands)
    return _query(f"old-workers {len(sent)}", _text, sent)


def _query(line: str, read: Callable[[Response], A], payload: bytes = b"") -> Query[A]:
    return Query((line.encode() + b"\n" + payload,), lambda responses: read(responses[0]))


def _encode(text: str) -> bytes:
    # The session waits for the announced number of bytes and does not count a NUL.
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode()


def _done(response: Response) -> None:
    response.require()


def _text(response: Response) -> str:
    return response.require().decode(errors="replace")


def _files(content: bytes) -> list[tuple[str, bytes]]:
    files = []
    while content:
        head, _, content = content.partition(b"\n")
        size, name = head.split(b" ", 1)
        files.append((name.decode(), content[: int(size)]))
        content = content[int(size) :]
    return files
