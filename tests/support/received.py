"""One HTTP request as a server of the tests' own reads it."""

from __future__ import annotations

import socket
from dataclasses import dataclass

__all__ = ["Received", "read_request"]


@dataclass
class Received:
    """One request as the application saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def read_request(connection: socket.socket) -> Received:
    """Read one request from a connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536) or _gone()
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in lines):
        # Twice the same is a list (RFC 9110, 5.2).
        before = headers.get(name.lower())
        headers[name.lower()] = value.strip() if before is None else f"{before}, {value.strip()}"
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536) or _gone()
    method, path, _ = first.split(" ")
    return Received(method, path, headers, body)


def _gone() -> bytes:
    raise ConnectionResetError
