"""The sockets under the HTTP client: opened by a dialer, cut off when the time is up."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult

from urllib3.connection import HTTPConnection, HTTPSConnection

from deploy_action.checks.refusal import NoAnswer, explain
from deploy_action.checks.target import DEFAULT_PORTS, Target
from deploy_action.clock import Clock

__all__ = ["Cutoff", "Route", "connections"]


class Cutoff:
    """Shuts every guarded socket down when the time for a whole exchange is up.

    A socket's own timeout starts anew with every byte; this does not.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.socket_seconds = seconds + 1.0
        """For the sockets themselves: later, so that it is always the cutoff that decides."""
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._expired = False
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    @property
    def expired(self) -> bool:
        """True once the time was up."""
        return self._expired

    def guard(self, connection: socket.socket) -> None:
        """Watch a socket through a duplicate: TLS takes the original's descriptor away."""
        duplicate = connection.dup()
        with self._lock:
            self._sockets.append(duplicate)
            if self._expired:
                _shut(duplicate)

    def _expire(self) -> None:
        with self._lock:
            self._expired = True
            for duplicate in self._sockets:
                _shut(duplicate)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            for duplicate in self._sockets:
                duplicate.close()
            self._sockets.clear()


class Route:
    """The way of one request: where its URL points and where its connection really goes."""

    def __init__(self, target: Target, url: SplitResult, cutoff: Cutoff, clock: Clock) -> None:
        self.target = target
        self.scheme = url.scheme
        self.cutoff = cutoff
        self._clock = clock
        self._connected_at = clock.monotonic()
        # A redirect up to https leads to another port of the same address.
        first = f"{target.scheme}://{target.authority}" == f"{url.scheme}://{url.netloc}"
        self.port = target.port if first else url.port or DEFAULT_PORTS[url.scheme]

    def dial(self) -> socket.socket:
        """Open the connection; raise NoAnswer when it does not come about."""
        try:
            connection = self.target.dialer.dial(
                self.target.address, self.port, self.cutoff.seconds
            )
        except OSError as error:
            raise NoAnswer(explain(error, self.port)) from error
        connection.settimeout(self.cutoff.socket_seconds)
        self.cutoff.guard(connection)
        return connection

    def connected(self) -> None:
        """Note that connecting, TLS included, is over."""
        self._connected_at = self._clock.monotonic()

    def seconds(self) -> float:
        """Return the time since then: how long the application has taken."""
        return self._clock.monotonic() - self._connected_at


def connections(route: Route) -> tuple[type[HTTPConnection], type[HTTPSConnection]]:
    """Return the two connection classes that urllib3 shall use for this route."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return route.dial()

        def connect(self) -> None:
            super().connect()
            route.connected()

    class Tls(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return route.dial()

        def connect(self) -> None:
            super().connect()
            route.connected()

    return Plain, Tls


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It was closed by the other side.
        pass
