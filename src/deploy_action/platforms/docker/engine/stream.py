"""A container's standard input and output as an ordinary socket.

Docker answers an attach or exec request by turning the HTTP connection into a stream in which
output comes in frames: one byte of stream number, three of padding, four of big-endian size
(Docker Engine API, "Attach to a container", stream format). A pump unpacks them, so that
anything that speaks over a socket (an HTTP client, TLS) can be laid over it.
"""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Collection, Mapping

from deploy_action.errors import DeploymentFailed

__all__ = ["hijack", "payloads", "pump"]

_CHUNK = 65536
_HEAD = 8


def hijack(raw: socket.socket, path: str, body: Mapping[str, object] | None) -> None:
    """Ask for `path` and read the answer's head, byte for byte, up to where the stream begins.

    Raises:
        DeploymentFailed: the engine answered something else than 101 or 200.
    """
    payload = b"" if body is None else json.dumps(body).encode()
    raw.sendall(
        f"POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
        f"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {len(payload)}\r\n\r\n".encode()
        + payload
    )
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        byte = raw.recv(1)
        if not byte:
            raise DeploymentFailed("the Docker engine closed the connection of a stream")
        head += byte
    status = head.split(b"\r\n", 1)[0].decode("latin-1")
    if status.split(" ")[1:2] not in (["101"], ["200"]):
        raise DeploymentFailed(f"the Docker engine refused a stream: {status}")


def payloads(framed: bytes) -> bytes:
    """Return what is in the frames of an answer that is whole, of both streams."""
    found = bytearray()
    reader = io.BytesIO(framed)
    while len(head := reader.read(_HEAD)) == _HEAD:
        found += reader.read(int.from_bytes(head[4:], "big"))
    return bytes(found)


def pump(raw: socket.socket, *, errors: bool = False) -> socket.socket:
    """Return a socket whose bytes go to and come from the hijacked connection `raw`.

    Closing the returned socket closes `raw`.

    Args:
        errors: standard error comes too, between the lines of standard output; else it is dropped.
    """
    wanted = {1, 2} if errors else {1}
    ours, theirs = socket.socketpair()
    for target, rest in ((_copy_in, ()), (_copy_out, (wanted,))):
        threading.Thread(target=target, args=(raw, theirs, *rest), daemon=True).start()
    return ours


def _copy_in(raw: socket.socket, theirs: socket.socket) -> None:
    try:
        while data := theirs.recv(_CHUNK):
            raw.sendall(data)
        raw.shutdown(socket.SHUT_WR)
    except OSError:
        _end(raw, theirs)


def _copy_out(raw: socket.socket, theirs: socket.socket, wanted: Collection[int]) -> None:
    reader = raw.makefile("rb")
    try:
        while len(head := reader.read(_HEAD)) == _HEAD:
            data = reader.read(int.from_bytes(head[4:], "big"))
            if head[0] in wanted:
                theirs.sendall(data)
    except OSError:
        pass
    finally:
        reader.close()
        _end(raw, theirs)


def _end(raw: socket.socket, theirs: socket.socket) -> None:
    for end in (theirs, raw):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        end.close()
