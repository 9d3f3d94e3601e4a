"""One TCP connection: does it stand, and does the other side say what it should?"""

from __future__ import annotations

import socket

from deploy_action.checks.refusal import explain
from deploy_action.checks.target import Target
from deploy_action.checks.wire import Cutoff
from deploy_action.config.model import TcpSmoke
from deploy_action.redaction import Redactor

__all__ = ["try_tcp"]

_STANDS_SECONDS = 0.3
"""How long a connection must stay open where nothing is expected.

A proxy accepts before it knows whether anybody is behind it and hangs up right after; so does the
other end of a `docker exec`.
"""


def try_tcp(test: TcpSmoke, target: Target, *, redact: Redactor) -> str:
    """Make one try; return why it failed, or an empty text.

    Args:
        redact: makes text from outside fit to be shown.
    """
    port = test.port or target.port
    with Cutoff(test.timeout_seconds) as cutoff:
        try:
            with target.dialer.dial(target.address, port, test.timeout_seconds) as connection:
                cutoff.guard(connection)
                connection.settimeout(cutoff.socket_seconds)
                if test.send:
                    connection.sendall(test.send.encode())
                if test.expect:
                    return _expect(connection, test.expect, cutoff, redact)
                return _stands(connection, min(_STANDS_SECONDS, test.timeout_seconds), port)
        except OSError as error:
            if cutoff.expired:
                return f"no answer within {test.timeout_seconds:g} s"
            return explain(error, port)


def _expect(connection: socket.socket, expected: str, cutoff: Cutoff, redact: Redactor) -> str:
    wanted = expected.encode()
    got = bytearray()
    while len(got) < len(wanted) and wanted.startswith(got):
        data = connection.recv(len(wanted) - len(got))
        if not data:
            break
        got += data
    if got == wanted:
        return ""
    said = redact.quote(got.decode("utf-8", "replace")) if got else "nothing"
    ending = f" within {cutoff.seconds:g} s" if cutoff.expired else ""
    return f"expected an answer that begins with {redact.quote(expected)}, got {said}{ending}"


def _stands(connection: socket.socket, seconds: float, port: int) -> str:
    connection.settimeout(seconds)
    try:
        data = connection.recv(1)
    except TimeoutError:
        return ""
    return "" if data else f"port {port} accepted the connection and closed it at once"
