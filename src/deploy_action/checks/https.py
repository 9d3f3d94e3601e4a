"""Asks whether anybody answers at an https address, where it is not the edge that should."""

from __future__ import annotations

import socket
import ssl

from deploy_action.checks.exchange import Deadline
from deploy_action.config.urls import parse_url

__all__ = ["why_unanswered"]

_HTTPS_PORT = 443
_TIMEOUT_SECONDS = 3.0


def why_unanswered(url: str) -> str:
    """Connect from this machine and begin TLS; say why nobody answers, or nothing where one does.

    A certificate that this machine does not accept is an answer: it may be a private authority's.
    """
    address = parse_url(url)
    port = address.port or _HTTPS_PORT
    deadline = Deadline(_TIMEOUT_SECONDS)
    try:
        with (
            deadline,
            socket.create_connection((address.host, port), _TIMEOUT_SECONDS) as connection,
        ):
            deadline.guard(connection)
            context = ssl.create_default_context()
            with context.wrap_socket(connection, server_hostname=address.host):
                return ""
    except ssl.SSLCertVerificationError:
        return ""
    except socket.gaierror:
        return f"no address is known for {address.host}"
    except ConnectionRefusedError:
        return f"port {port} of {address.host} refuses the connection"
    except OSError as error:
        if deadline.expired or isinstance(error, TimeoutError):
            return f"port {port} of {address.host} does not answer within {_TIMEOUT_SECONDS:g} s"
        if isinstance(error, ssl.SSLError):
            return f"port {port} of {address.host} speaks no TLS"
        return f"port {port} of {address.host} cannot be reached: {error.strerror or error}"
