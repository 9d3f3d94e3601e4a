"""What a host's `session` can be asked for: requests as values, and how their answers are read.

Several of them can be made one (`pair`, `sequence`): they are sent together and cost one round trip.
The session does them in this order, each whatever became of those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from deploy_action.errors import DeploymentFailed

__all__ = [
    "Answer",
    "Conflict",
    "Request",
    "before",
    "change_edge",
    "delete",
    "get",
    "haproxy",
    "names",
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
    """The edge's configuration was changed by somebody else in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for one line; `refusal` says why it was not done."""

    status: str
    content: bytes
    refusal: DeploymentFailed | None = None

    def taken(self) -> bytes:
        """Return the content, or raise the refusal."""
        if self.refusal is not None:
            raise self.refusal
        return self.content


@dataclass(frozen=True, slots=True)
class Request(Generic[A]):
    """What is sent, in the words of platforms/docker/edge/image/session, and how the answers become a value.

    Attributes:
        sent: each a line with its payload.
        read: is given one answer for each; raises DeploymentFailed where the session refused.
    """

    sent: tuple[bytes, ...]
    read: Callable[[Sequence[Answer]], A]

    def then(self, make: Callable[[A], B]) -> Request[B]:
        """Make something else of the value."""
        return Request(self.sent, lambda answers: make(self.read(answers)))


def pair(first: Request[A], second: Request[B]) -> Request[tuple[A, B]]:
    """Join two; a refusal of either is one of both."""
    cut = len(first.sent)
    return Request(
        first.sent + second.sent,
        lambda answers: (first.read(answers[:cut]), second.read(answers[cut:])),
    )


def sequence(*requests: Request[None]) -> Request[None]:
    """Join what answers nothing but that it was done; the first refusal is told."""
    joined: Request[None] = Request((), lambda _: None)
    for request in requests:
        joined = pair(joined, request).then(lambda _: None)
    return joined


def optional(request: Request[A]) -> Request[A | None]:
    """Take a refusal for None."""

    def read(answers: Sequence[Answer]) -> A | None:
        try:
            return request.read(answers)
        except DeploymentFailed:
            return None

    return Request(request.sent, read)


def ping() -> Request[None]:
    """Make sure that the session, and with it the lock, is still there."""
    return _request("ping", _done)


def get(path: str) -> Request[bytes | None]:
    """Read a file; None when there is none."""
    return _request(f"get {path}", lambda a: None if a.status == "none" else a.taken())


def recent(directory: str, count: int) -> Request[tuple[tuple[str, bytes], ...]]:
    """Read the last `count` JSON files by name, oldest first."""
    return _request(f"recent {directory} {count}", lambda a: tuple(_files(a.taken())))


def names(directory: str) -> Request[tuple[str, ...]]:
    """List a directory."""
    return _request(f"list {directory}", lambda a: tuple(a.taken().decode().split()))


def put(path: str, content: bytes) -> Request[None]:
    """Replace a file: whole and synced, or not at all."""
    raw = " raw" if b"\0" in content else ""
    return _request(f"put {path} {len(content)}{raw}", _done, content)


def delete(path: str) -> Request[None]:
    """Remove a file."""
    return _request(f"delete {path}", _done)


def reserve() -> Request[None]:
    """Keep room aside, so that the outcome can be written on a full disk."""
    return _request("reserve", _done)


def change_edge(
    configuration: str, *, generation: int, reload: bool, commands: str
) -> Request[str]:
    """Replace the edge's configuration if it still has `generation`; reading raises Conflict."""
    new, told = _text(configuration), _text(commands)
    how = "reload" if reload else "keep"
    line = f"edge {generation} {how} {len(new)} {len(told)}"

    def read(answer: Answer) -> str:
        if answer.status == "stale":
            raise Conflict
        return _said(answer)

    return _request(line, read, new + told)


def haproxy(commands: str) -> Request[str]:
    """Ask HAProxy's runtime API."""
    sent = _text(commands)
    return _request(f"haproxy {len(sent)}", _said, sent)


def before(commands: str) -> Request[str]:
    """Ask the processes that a reload left behind, each of them; one command a line."""
    sent = _text(commands)
    return _request(f"before {len(sent)}", _said, sent)


def _request(line: str, read: Callable[[Answer], A], payload: bytes = b"") -> Request[A]:
    return Request((line.encode() + b"\n" + payload,), lambda answers: read(answers[0]))


def _text(words: str) -> bytes:
    # The session waits for as many bytes as were announced, and does not count a NUL.
    return words.replace("\0", "\N{REPLACEMENT CHARACTER}").encode()


def _done(answer: Answer) -> None:
    answer.taken()


def _said(answer: Answer) -> str:
    return answer.taken().decode(errors="replace")


def _files(content: bytes) -> list[tuple[str, bytes]]:
    found = []
    while content:
        head, _, content = content.partition(b"\n")
        size, name = head.split(b" ", 1)
        found.append((name.decode(), content[: int(size)]))
        content = content[int(size) :]
    return found
