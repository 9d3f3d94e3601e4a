"""The bounds of one exchange with an application: its deadline, and why it failed."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from types import TracebackType
from typing import Self

from deploy_action.checks.dialer import AddressNotAllowed
from deploy_action.checks.result import CheckFailure, CheckFailureKind
from deploy_action.redaction import redact

__all__ = ["Deadline", "NoAnswer", "explain"]


class NoAnswer(Exception):
    """An exchange brought no complete answer; the message may hold secrets."""

    def __init__(self, kind: CheckFailureKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind

    def failure(self) -> CheckFailure:
        """Return it as a check's failure, without secrets."""
        return CheckFailure(self.kind, redact.excerpt(str(self)))


class Deadline:
    """Shuts every guarded socket down when the time for a whole exchange is up.

    A socket's own timeout starts anew with every byte; this does not.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.socket_seconds = seconds + 1.0
        """For the sockets themselves: later, so that it is always the deadline that decides."""
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
                _shut_down(duplicate)

    def _expire(self) -> None:
        with self._lock:
            self._expired = True
            for duplicate in self._sockets:
                _shut_down(duplicate)

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


def explain(error: OSError | http.client.HTTPException, port: int) -> NoAnswer:
    """Translate an error of a connection into plain words.

    Text from outside is not repeated, except for a certificate's verdict.
    """
    kind, detail = _explain(error, port)
    return NoAnswer(kind, detail)


def _explain(error: OSError | http.client.HTTPException, port: int) -> tuple[CheckFailureKind, str]:
    match error:
        case AddressNotAllowed():
            return CheckFailureKind.ADDRESS_NOT_ALLOWED, f"refused to connect: {error.strerror}"
        case ssl.SSLCertVerificationError():
            return (
                CheckFailureKind.TLS,
                f"the certificate is not accepted: {error.verify_message}",
            )
        case ssl.SSLError():
            reason = (getattr(error, "reason", None) or "unknown").replace("_", " ").lower()
            return CheckFailureKind.TLS, f"TLS failed ({reason})"
        case ConnectionRefusedError():
            return CheckFailureKind.REFUSED, (
                f"port {port} refused the connection (does the application listen on this port, "
                "and on 0.0.0.0 rather than on 127.0.0.1?)"
            )
        case http.client.RemoteDisconnected():
            return CheckFailureKind.NO_ANSWER, (
                f"the connection was closed without an answer (does anything listen on port {port},"
                " and did it survive the request?)"
            )
        case ConnectionResetError() | BrokenPipeError():
            return CheckFailureKind.RESET, "the connection was reset"
        case TimeoutError():
            return CheckFailureKind.TIMED_OUT, "no answer in time"
        case http.client.HTTPException():
            return CheckFailureKind.NOT_HTTP, "the answer is not HTTP"
        case OSError() if error.strerror:
            return CheckFailureKind.UNREACHABLE, f"the connection failed: {error.strerror}"
        case _:
            kind = CheckFailureKind.UNREACHABLE
            return kind, f"the connection failed ({type(error).__name__})"


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It was closed by the other side.
        pass
