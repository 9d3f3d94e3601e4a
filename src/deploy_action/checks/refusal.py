"""Why no answer came, in plain words: the system's and the libraries' errors translated."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator

from urllib3.exceptions import ProtocolError

from deploy_action.checks.dialer import LinkLocalRefused

__all__ = ["NoAnswer", "explain"]


class NoAnswer(Exception):
    """A request got no complete answer; the message says why and needs redaction all the same."""


def explain(error: BaseException, port: int) -> str:
    """Say what an error of a connection means. Text that came from outside is never repeated,
    except for a certificate's verdict."""
    for cause in _chain(error):
        reason = _explain_one(cause, port)
        if reason:
            return reason
    if any(isinstance(cause, ProtocolError) for cause in _chain(error)):
        return "the body ended too early"
    return f"the connection failed ({type(error).__name__})"


def _explain_one(cause: BaseException, port: int) -> str:
    match cause:
        case LinkLocalRefused():
            return f"{cause.strerror}, where clouds keep credentials: refused"
        case ssl.SSLCertVerificationError():
            return f"the certificate is not accepted: {cause.verify_message}"
        case ssl.SSLError():
            return f"TLS failed ({(cause.reason or 'unknown').replace('_', ' ').lower()})"
        case ConnectionRefusedError():
            return (
                f"port {port} refused the connection (does the application listen on this port, "
                "and on 0.0.0.0 rather than on 127.0.0.1?)"
            )
        case http.client.RemoteDisconnected():
            return (
                f"the connection was closed without an answer (does anything listen on port {port},"
                " and did it survive the request?)"
            )
        case http.client.IncompleteRead():
            return f"the body ended too early, after {_length(cause)} bytes"
        case ConnectionResetError() | BrokenPipeError():
            return "the connection was reset"
        case TimeoutError():
            return "no answer in time"
        case socket.gaierror():
            return "the name does not resolve"
        case http.client.HTTPException():
            return "what came back is not HTTP"
        case OSError() if cause.strerror:
            return f"the connection failed: {cause.strerror}"
        case _:
            return ""


def _length(cause: http.client.IncompleteRead) -> int:
    # urllib3's subclass holds a number where the standard library's holds the bytes.
    partial: object = cause.partial
    return partial if isinstance(partial, int) else len(cause.partial)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Walk an error's causes: chained, or packed into arguments as requests and urllib3 do."""
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending:
        cause = pending.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
        pending += [one for one in inner if isinstance(one, BaseException)]
