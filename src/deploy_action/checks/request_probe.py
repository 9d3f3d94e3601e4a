"""Gentle requests along the public way while a deployment goes on: the proof that none was lost.

Nothing can be lost where nothing is served: failures before the first good answer belong to what
was there before (a release that had died, and that this deployment may be about to repair). They
count only as long as no good answer has come at all.

Two clients ask the edge of a host with GET: one keeps its connection, one makes a new connection for
every request. A third, where it is wanted, sends a POST over a kept connection. None ever tries a
request again. A kept connection that the edge has closed while it was idle is replaced without
counting: HTTP allows that, and nothing had been sent (RFC 9112, 9.5).
"""

from __future__ import annotations

import contextlib
import http.client
import math
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from string import punctuation
from urllib.parse import quote

from deploy_action.config.model import ProbePost
from deploy_action.redaction import escape

__all__ = ["RequestStats", "RouteProbe"]

_TIMEOUT_SECONDS = 10.0
_EXAMPLES = 5
_FRESH_SHARE = 0.25
_POST_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStats:
    """What the probe saw.

    Attributes:
        sent, lost: requests from the first good answer on.
        losses: the first few different ones, in words.
        unserved: requests before, when nothing was served.
    """

    sent: int = 0
    lost: int = 0
    losses: tuple[str, ...] = ()
    unserved: int = 0

    def __add__(self, other: RequestStats) -> RequestStats:
        """Join what was seen on two hosts."""
        return RequestStats(
            sent=self.sent + other.sent,
            lost=self.lost + other.lost,
            losses=tuple(dict.fromkeys((*self.losses, *other.losses)))[:_EXAMPLES],
            unserved=self.unserved + other.unserved,
        )


@dataclass(slots=True, kw_only=True)
class RouteProbe:
    """Asks one host's edge until it is stopped.

    Attributes:
        dial: opens a connection to the edge, as its clients do.
        path: what is asked for with GET; an answer below 500 counts as served.
        headers: the Host header, without which the edge does not know the service.
        post: what is sent with POST as well.
        rate_per_second: requests in all.
        ahead: called once, as soon as it begins.
    """

    where: str
    dial: Callable[[float], socket.socket]
    path: str
    headers: Mapping[str, str]
    post: ProbePost | None = None
    rate_per_second: float
    ahead: Callable[[], None] | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _get: _Way = field(init=False)
    _post: _Way | None = field(init=False)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the requests, which stay the same."""
        asked = _Request.make("GET", self.path, self.headers)
        self._get = _Way(where=self.where, request=asked)
        self._post = None
        if self.post is not None:
            headers = _joined(self.headers, self.post.headers)
            sent = _Request.make("POST", self.post.path, headers, self.post.body.encode())
            self._post = _Way(where=f"{self.where}: POST {escape(self.post.path)}", request=sent)

    def start(self) -> None:
        """Begin, in threads of its own."""
        if self.ahead is not None:
            threading.Thread(target=self.ahead, daemon=True).start()
        fresh = self.rate_per_second * _FRESH_SHARE
        kept = self.rate_per_second - fresh
        if self._post is not None:
            posts = self.rate_per_second * _POST_SHARE
            kept -= posts
            self._begin(self._post, posts, keep=True)
        self._begin(self._get, fresh, keep=False)
        self._begin(self._get, kept, keep=True)

    def stop(self) -> RequestStats:
        """End, let requests under way finish, and return what was seen."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_TIMEOUT_SECONDS + 1)
        return self.seen()

    def seen(self) -> RequestStats:
        """Return what was seen so far."""
        return sum((way.seen() for way in self._ways()), RequestStats())

    def make_sure(self) -> None:
        """Ask once more, right now, where no good answer has come yet: requests that were sent
        while nothing was served may have waited for many seconds, and say nothing about now."""
        for way in self._ways():
            if not way.answered():
                connection = self._once(way, None)
                if connection is not None:
                    connection.close()

    def _ways(self) -> tuple[_Way, ...]:
        return (self._get,) if self._post is None else (self._get, self._post)

    def _begin(self, way: _Way, rate: float, *, keep: bool) -> None:
        thread = threading.Thread(target=self._ask, args=(way, rate, keep), daemon=True)
        thread.start()
        self._threads.append(thread)

    def _ask(self, way: _Way, rate: float, keep: bool) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._stop.wait(1 / rate):
            if connection is not None and (not keep or _closed(connection)):
                connection.close()
                connection = None
            connection = self._once(way, connection)
        if connection is not None:
            connection.close()

    def _once(
        self, way: _Way, connection: http.client.HTTPConnection | None
    ) -> http.client.HTTPConnection | None:
        """Send one request and count it; return the connection if it can be used again."""
        problem, begun = "", time.monotonic()
        try:
            if connection is None:
                connection = self._connect()
            problem = way.request.exchange(connection)
        except (OSError, http.client.HTTPException) as error:
            problem = escape(f"{type(error).__name__}: {error}")[:200]
        way.count(problem, begun)
        if problem and connection is not None:
            connection.close()
            return None
        return connection

    def _connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("edge", timeout=_TIMEOUT_SECONDS)
        connection.auto_open = 0
        connection.sock = self.dial(_TIMEOUT_SECONDS)
        connection.sock.settimeout(_TIMEOUT_SECONDS)
        # A body goes out by itself, and would wait for its head to be acknowledged: 40 ms. Only TCP
        # can be told so, and a dialer may have come another way.
        with contextlib.suppress(OSError):
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What is sent again and again."""

    method: str
    path: str
    headers: Mapping[str, str | bytes]
    body: bytes | None

    @classmethod
    def make(
        cls, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> _Request:
        """Make it of texts, which may hold more than HTTP's characters."""
        return cls(
            method=method,
            path=quote(path, safe=punctuation),
            headers={name: value.encode() for name, value in headers.items()},
            body=body,
        )

    def exchange(self, connection: http.client.HTTPConnection) -> str:
        """Send it and read its whole answer; return what was wrong with it."""
        connection.request(self.method, self.path, body=self.body, headers=self.headers)
        answer = connection.getresponse()
        answer.read()
        return f"status {answer.status}" if answer.status >= 500 else ""


@dataclass(slots=True, kw_only=True)
class _Way:
    """One kind of request, which may be served while another is not, and what was seen of it."""

    where: str
    request: _Request
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _seen: RequestStats = field(default_factory=RequestStats)
    _first_good: float = math.inf

    def seen(self) -> RequestStats:
        """Return what was seen so far."""
        with self._guard:
            return self._seen

    def answered(self) -> bool:
        """Tell whether a good answer has come."""
        with self._guard:
            return self._first_good < math.inf

    def count(self, problem: str, begun: float) -> None:
        """Count a request that was sent at `begun` and had this problem, or none."""
        with self._guard:
            if not problem and self._first_good == math.inf:
                self._first_good = time.monotonic()
                self._seen = RequestStats(unserved=self._seen.lost)
            elif problem and begun < self._first_good < math.inf:
                # Sent while nothing was served, and given up only now.
                self._seen = self._seen + RequestStats(unserved=1)
                return
            self._seen = self._seen + RequestStats(
                sent=1,
                lost=1 if problem else 0,
                losses=(f"{self.where}: {problem}",) if problem else (),
            )


def _joined(ours: Mapping[str, str], theirs: Mapping[str, str]) -> dict[str, str]:
    """Return both; where a header is in both, in whatever case, theirs alone."""
    given = {name.lower() for name in theirs}
    return {name: value for name, value in ours.items() if name.lower() not in given} | dict(theirs)


def _closed(connection: http.client.HTTPConnection) -> bool:
    """Tell whether the other side has closed an idle connection."""
    if connection.sock is None:
        return True
    readable, _, _ = select.select([connection.sock], [], [], 0)
    return bool(readable)
