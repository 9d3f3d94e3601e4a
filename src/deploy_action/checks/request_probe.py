"""Gentle requests through the edge while a deployment goes on, to prove that none is lost.

Failures before the first good answer are not counted as lost: the service was down before this
deployment, which may be about to repair it. They count if no good answer comes at all.

Two clients send GET to the edge of a host: one keeps its connection, the other makes a new one for
every request. A third, if configured, sends POST over a kept connection. No request is retried. A
kept connection that the edge has closed while it was idle is replaced without counting: HTTP allows
that, and nothing had been sent (RFC 9112, 9.5).
"""

from __future__ import annotations

import contextlib
import http.client
import math
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from string import punctuation
from urllib.parse import quote

from deploy_action.checks.http import http_connection, merge_headers
from deploy_action.checks.served_by import ServedBy
from deploy_action.config.model import ProbePost
from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.redaction import escape

__all__ = [
    "LossKind",
    "RequestLoss",
    "RequestStats",
    "RouteProbe",
    "require_no_lost_requests",
    "stats",
]

_TIMEOUT_SECONDS = 10.0
"""For an answer, to its last byte."""
_CHUNK = 65536
_EXAMPLES = 5
_DETAIL_CHARACTERS = 200
_NEW_CONNECTION_SHARE = 0.25
_POST_SHARE = 0.25


class LossKind(StrEnum):
    """In which way a request was lost."""

    BAD_STATUS = "bad-status"
    NO_ANSWER = "no-answer"
    """The connection was closed before an answer."""
    NOT_HTTP = "not-http"
    """The answer is not HTTP, or incomplete."""
    REFUSED = "refused"
    RESET = "reset"
    SERVED_ELSEWHERE = "served-elsewhere"
    """Another service answered, or something else than the edge."""
    TIMED_OUT = "timed-out"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLoss:
    """One way in which requests were lost; `where` names the host and the request."""

    kind: LossKind
    where: str
    detail: str

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStats:
    """The counts of a probe.

    Attributes:
        sent, lost: requests from the first good answer on.
        losses: the first few different ones.
        unserved: failed requests before the first good answer.
    """

    sent: int = 0
    lost: int = 0
    losses: tuple[RequestLoss, ...] = ()
    unserved: int = 0

    def __add__(self, other: RequestStats) -> RequestStats:
        """Add the counts of another host or client."""
        return RequestStats(
            sent=self.sent + other.sent,
            lost=self.lost + other.lost,
            losses=tuple(dict.fromkeys((*self.losses, *other.losses)))[:_EXAMPLES],
            unserved=self.unserved + other.unserved,
        )


def stats(probes: Iterable[RouteProbe]) -> RequestStats:
    """Add up the counts of all probes so far."""
    return sum((probe.stats() for probe in probes), RequestStats())


def require_no_lost_requests(probes: Iterable[RouteProbe], *, allowed: int = 0) -> None:
    """Refuse a release under which more requests were lost than allowed.

    Raises:
        DeploymentFailed: with the code REQUESTS_LOST.
    """
    probes = tuple(probes)
    for probe in probes:
        probe.ensure_answered()
    counted = stats(probes)
    if counted.lost > allowed:
        raise DeploymentFailed(
            f"{counted.lost} of {counted.sent} probe requests through the edge failed: "
            + "; ".join(map(str, counted.losses)),
            remedy="does the new release answer what the probe asks? (probe in deploy.yaml)",
            code=ErrorCode.REQUESTS_LOST,
        )


@dataclass(slots=True, kw_only=True)
class RouteProbe:
    """Sends requests to one host's edge until it is stopped.

    Attributes:
        dial: opens a connection to the edge, as its clients do.
        path: what GET asks for; an answer below 500 counts as served.
        headers: the Host header, without which the edge does not know the service.
        post: what is sent with POST as well.
        rate_per_second: requests in all.
        served_by: how an answer shows that the service gave it; None where it cannot.
    """

    where: str
    dial: Callable[[float], socket.socket]
    path: str
    headers: Mapping[str, str]
    post: ProbePost | None = None
    rate_per_second: float
    served_by: ServedBy | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _get: _RequestCounter = field(init=False)
    _post: _RequestCounter | None = field(init=False, default=None)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        served_by = self.served_by
        proved = dict(served_by.request_headers) if served_by is not None else {}
        get = _Request.make("GET", self.path, merge_headers(self.headers, proved))
        self._get = _RequestCounter(where=self.where, request=get)
        if self.post is not None:
            headers = merge_headers(self.headers, merge_headers(self.post.headers, proved))
            post = _Request.make("POST", self.post.path, headers, self.post.body.encode())
            where = f"{self.where}: POST {escape(self.post.path)}"
            self._post = _RequestCounter(where=where, request=post)

    def start(self) -> None:
        """Begin, in threads of its own."""
        on_new = self.rate_per_second * _NEW_CONNECTION_SHARE
        on_kept = self.rate_per_second - on_new
        if self._post is not None:
            posts = self.rate_per_second * _POST_SHARE
            on_kept -= posts
            self._start_client(self._post, posts, keep=True)
        self._start_client(self._get, on_new, keep=False)
        self._start_client(self._get, on_kept, keep=True)

    def stop(self) -> RequestStats:
        """End, let requests under way finish, and return the counts."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_TIMEOUT_SECONDS + 1)
        return self.stats()

    def stats(self) -> RequestStats:
        """Return the counts so far."""
        return sum((counter.stats() for counter in self._counters()), RequestStats())

    def ensure_answered(self) -> None:
        """Send one more request where no good answer has come yet: earlier ones may have waited
        for many seconds while the service was down, and say nothing about now."""
        for counter in self._counters():
            if not counter.answered():
                connection = self._send_once(counter, None)
                if connection is not None:
                    connection.close()

    def _counters(self) -> tuple[_RequestCounter, ...]:
        return (self._get,) if self._post is None else (self._get, self._post)

    def _start_client(self, counter: _RequestCounter, rate: float, *, keep: bool) -> None:
        thread = threading.Thread(target=self._run_client, args=(counter, rate, keep), daemon=True)
        thread.start()
        self._threads.append(thread)

    def _run_client(self, counter: _RequestCounter, rate: float, keep: bool) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._stop.wait(1 / rate):
            if connection is not None and (not keep or _is_closed(connection)):
                connection.close()
                connection = None
            connection = self._send_once(counter, connection)
        if connection is not None:
            connection.close()

    def _send_once(
        self, counter: _RequestCounter, connection: http.client.HTTPConnection | None
    ) -> http.client.HTTPConnection | None:
        """Send one request and count it; return the connection if it can be used again."""
        loss: tuple[LossKind, str] | None = None
        begun = time.monotonic()
        try:
            if connection is None:
                connection = self._connect()
            answer = counter.request.exchange(connection)
            if answer.status >= 500:
                loss = LossKind.BAD_STATUS, f"status {answer.status}"
            elif self.served_by is not None:
                said = answer.getheader(self.served_by.answer_header)
                for failure in self.served_by.failures(said):
                    loss = LossKind.SERVED_ELSEWHERE, failure.detail
        except (OSError, http.client.HTTPException) as error:
            detail = escape(f"{type(error).__name__}: {error}")[:_DETAIL_CHARACTERS]
            loss = _loss_kind(error), detail
        counter.count(loss, begun)
        if loss is not None and connection is not None:
            connection.close()
            return None
        return connection

    def _connect(self) -> http.client.HTTPConnection:
        connection = self.dial(_TIMEOUT_SECONDS)
        connection.settimeout(_TIMEOUT_SECONDS)
        return http_connection(connection, seconds=_TIMEOUT_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """A request that is sent again and again."""

    method: str
    path: str
    headers: Mapping[str, bytes]
    body: bytes | None

    @classmethod
    def make(
        cls, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> _Request:
        """Encode texts, which may hold characters beyond HTTP's."""
        return cls(
            method=method,
            path=quote(path, safe=punctuation),
            headers={name: value.encode() for name, value in headers.items()},
            body=body,
        )

    def exchange(self, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        """Send it and return its answer, read to the end."""
        connection.request(self.method, self.path, body=self.body, headers=self.headers)
        answer = connection.getresponse()
        with contextlib.closing(answer):
            while answer.read(_CHUNK):
                pass
            if answer.length:
                # http.client itself tells only for chunks, and for bodies that are read at once.
                raise http.client.IncompleteRead(b"", answer.length)
        return answer


@dataclass(slots=True, kw_only=True)
class _RequestCounter:
    """Counts one kind of request, which may be served while another is not."""

    where: str
    request: _Request
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _stats: RequestStats = field(default_factory=RequestStats)
    _first_answer: float = math.inf

    def stats(self) -> RequestStats:
        """Return the counts so far."""
        with self._guard:
            return self._stats

    def answered(self) -> bool:
        """Tell whether a good answer has come."""
        with self._guard:
            return self._first_answer < math.inf

    def count(self, loss: tuple[LossKind, str] | None, begun: float) -> None:
        """Count a request that was sent at `begun` and was lost in this way, or not lost."""
        with self._guard:
            if loss is None:
                if self._first_answer == math.inf:
                    self._first_answer = time.monotonic()
                    self._stats = RequestStats(unserved=self._stats.lost)
                self._stats += RequestStats(sent=1)
            elif begun < self._first_answer < math.inf:
                # Sent while the service was down, and given up only now.
                self._stats += RequestStats(unserved=1)
            else:
                kind, detail = loss
                example = RequestLoss(kind=kind, where=self.where, detail=detail)
                self._stats += RequestStats(sent=1, lost=1, losses=(example,))


def _loss_kind(error: OSError | http.client.HTTPException) -> LossKind:
    match error:
        case http.client.RemoteDisconnected():
            return LossKind.NO_ANSWER
        case http.client.HTTPException():
            return LossKind.NOT_HTTP
        case ConnectionRefusedError():
            return LossKind.REFUSED
        case ConnectionResetError() | BrokenPipeError():
            return LossKind.RESET
        case TimeoutError():
            return LossKind.TIMED_OUT
        case _:
            return LossKind.UNREACHABLE


def _is_closed(connection: http.client.HTTPConnection) -> bool:
    """Tell whether the other side has closed an idle connection."""
    if connection.sock is None:
        return True
    readable, _, _ = select.select([connection.sock], [], [], 0)
    return bool(readable)
