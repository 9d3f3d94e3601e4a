"""Gentle requests along the public way while a deployment goes on: the proof that none was lost.

Nothing can be lost where nothing is served: failures before the first good answer belong to what
was there before (a release that had died, and that this deployment may be about to repair). They
count only as long as no good answer has come at all.

Two clients ask the edge of a host: one keeps its connection, one makes a new connection for every
request. Neither ever tries a request again. A kept connection that the edge has closed while it
was idle is replaced without counting: HTTP allows that, and nothing had been sent (RFC 9112, 9.5).
"""

from __future__ import annotations

import http.client
import math
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deploy_action.checks.result import escape

__all__ = ["Certificate", "RouteProbe"]

_TIMEOUT_SECONDS = 10.0
_EXAMPLES = 5
_FRESH_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
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

    def __add__(self, other: Certificate) -> Certificate:
        """Join what was seen on two hosts."""
        return Certificate(
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
        rate_per_second: requests in all.
    """

    where: str
    dial: Callable[[float], socket.socket]
    path: str
    headers: Mapping[str, str]
    rate_per_second: float
    _stop: threading.Event = field(default_factory=threading.Event)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _seen: Certificate = field(default_factory=Certificate)
    _first_good: float = math.inf
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin, in threads of its own."""
        fresh = self.rate_per_second * _FRESH_SHARE
        for rate, keep in ((fresh, False), (self.rate_per_second - fresh, True)):
            thread = threading.Thread(target=self._ask, args=(rate, keep), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> Certificate:
        """End, let requests under way finish, and return what was seen."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_TIMEOUT_SECONDS + 1)
        return self.seen()

    def seen(self) -> Certificate:
        """Return what was seen so far."""
        with self._guard:
            return self._seen

    def make_sure(self) -> None:
        """Ask once more, right now, where no good answer has come yet: requests that were sent
        while nothing was served may have waited for many seconds, and say nothing about now."""
        with self._guard:
            answered = self._first_good < math.inf
        if not answered:
            connection = self._once(None)
            if connection is not None:
                connection.close()

    def _ask(self, rate: float, keep: bool) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._stop.wait(1 / rate):
            if connection is not None and (not keep or _closed(connection)):
                connection.close()
                connection = None
            connection = self._once(connection)
        if connection is not None:
            connection.close()

    def _once(
        self, connection: http.client.HTTPConnection | None
    ) -> http.client.HTTPConnection | None:
        """Send one request and count it; return the connection if it can be used again."""
        problem, begun = "", time.monotonic()
        try:
            if connection is None:
                connection = self._connect()
            problem = self._exchange(connection)
        except (OSError, http.client.HTTPException) as error:
            problem = escape(f"{type(error).__name__}: {error}")[:200]
        self._count(problem, begun)
        if problem and connection is not None:
            connection.close()
            return None
        return connection

    def _connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("edge", timeout=_TIMEOUT_SECONDS)
        connection.auto_open = 0
        connection.sock = self.dial(_TIMEOUT_SECONDS)
        connection.sock.settimeout(_TIMEOUT_SECONDS)
        return connection

    def _exchange(self, connection: http.client.HTTPConnection) -> str:
        """Send one request and read its whole answer; return what was wrong with it."""
        connection.request("GET", self.path, headers=dict(self.headers))
        answer = connection.getresponse()
        answer.read()
        return f"status {answer.status}" if answer.status >= 500 else ""

    def _count(self, problem: str, begun: float) -> None:
        with self._guard:
            if not problem and self._first_good == math.inf:
                self._first_good = time.monotonic()
                self._seen = Certificate(unserved=self._seen.lost)
            elif problem and begun < self._first_good < math.inf:
                # Sent while nothing was served, and given up only now.
                self._seen = self._seen + Certificate(unserved=1)
                return
            self._seen = self._seen + Certificate(
                sent=1,
                lost=1 if problem else 0,
                losses=(f"{self.where}: {problem}",) if problem else (),
            )


def _closed(connection: http.client.HTTPConnection) -> bool:
    """Tell whether the other side has closed an idle connection."""
    if connection.sock is None:
        return True
    readable, _, _ = select.select([connection.sock], [], [], 0)
    return bool(readable)
