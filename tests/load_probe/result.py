"""What a load probe has counted: every request is answered well, lost in one way, or unfinished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from tests.load_probe.bound import upper_bound

__all__ = ["Ending", "Example", "Kind", "KindCount", "Latency", "Loss", "ProbeResult", "Seen"]

Ending = Literal["running", "time", "requests", "stopped"]


class Kind(StrEnum):
    """How a request is sent."""

    KEEP_ALIVE = "keep-alive"
    """GET on a connection that is used again."""
    NEW = "new"
    """GET on a connection of its own."""
    POST = "post"
    """POST on a connection that is used again; the body must come back byte for byte."""
    SLOW = "slow"
    """GET that takes seconds, on a connection of its own."""


class Loss(StrEnum):
    """In which way a request was lost."""

    REFUSED = "refused"
    """Nobody listens."""
    UNREACHABLE = "unreachable"
    """No way there, or TLS failed."""
    RESET = "reset"
    """Reset before the answer was complete."""
    NO_ANSWER = "no answer"
    """A new connection was closed in good order without a byte of an answer."""
    TRUNCATED = "truncated"
    """Closed in good order in the middle of the answer."""
    STALE = "stale"
    """A connection that had answered before was closed or reset after the request was sent and
    before a byte of its answer. RFC 9112, 9.3.1 lets a client send an idempotent request again
    and forbids it for others; whether it was carried out is unknown to both. So it is a loss
    here, for GET as for POST: not every client tries again. A connection that was seen closed
    before anything was sent is none; see `ProbeResult.reopened`."""
    TIMEOUT = "timeout"
    BAD_STATUS = "bad status"
    """Anything but 2xx."""
    WRONG_BODY = "wrong body"
    """Not what was posted, not what was expected, or not HTTP."""
    LOCAL = "local"
    """The probe's own machine ran out of ports or descriptors: the measurement is void."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCount:
    """The requests of one kind."""

    sent: int
    ok: int
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds from the decision to send to the last byte of good answers, connecting included.

    Percentiles are upper ends of buckets and at most 5 % too high; the maximum is exact. The load
    is closed: a worker waits for its answer before it sends again.
    """

    median: float
    p90: float
    p99: float
    p999: float
    maximum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A version that answered, between which seconds of the probe."""

    version: str
    answers: int
    first_seconds: float
    last_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One of the first losses, to look into; `detail` holds nothing of a body."""

    seconds: float
    kind: Kind
    loss: Loss
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """The counts so far or in the end: sent = ok + lost + unfinished.

    Attributes:
        sent: requests begun, those whose connection was refused included.
        losses: only the ways that occurred.
        unfinished: given up by the probe itself when it was told to stop at once.
        reopened: connections that the server had closed in good order while they were idle, seen
            before the next request was sent on them; no loss.
        seconds: how long the load has run.
    """

    url: str
    seconds: float
    sent: int
    ok: int
    losses: Mapping[Loss, int]
    unfinished: int
    reopened: int
    kinds: Mapping[Kind, KindCount]
    latency: Latency
    versions: tuple[Seen, ...]
    examples: tuple[Example, ...]
    ended_by: Ending

    @property
    def lost(self) -> int:
        """All losses together."""
        return sum(self.losses.values())

    @property
    def loss_bound(self) -> float:
        """The 95 % upper bound on the rate of loss."""
        return upper_bound(self.ok + self.lost, self.lost)

    def __str__(self) -> str:
        text = f"{self.sent:,} requests, {self.lost:,} lost"
        if self.losses:
            text += f" ({', '.join(f'{n:,} {loss}' for loss, n in self.losses.items())})"
        return f"{text}, at most {self.loss_bound:.3%} at 95 % confidence"
