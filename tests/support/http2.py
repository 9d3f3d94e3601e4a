"""The little of HTTP/2 (RFC 9113) that tests of the edge need, frame by frame: a client, and a server
that answers as a gRPC server does."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

__all__ = ["Frame", "Http2Client", "Kind", "grpc_server"]

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_MESSAGE_HEAD = 5


class Kind(IntEnum):
    """What a frame is."""

    DATA = 0
    HEADERS = 1
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame; HAProxy writes header values as they are, so that they can be looked for."""

    kind: int
    flags: int = 0
    stream: int = 0
    payload: bytes = b""

    @property
    def ends(self) -> bool:
        """True for the last one of its stream."""
        return self.kind in (Kind.DATA, Kind.HEADERS) and bool(self.flags & _END_STREAM)

    def encode(self) -> bytes:
        """Return it as it is sent."""
        head = bytes((self.kind, self.flags)) + self.stream.to_bytes(4, "big")
        return len(self.payload).to_bytes(3, "big") + head + self.payload


def _header(name: str, value: str) -> bytes:
    """Write a header as a literal without indexing (RFC 7541, 6.2.2)."""
    return bytes((0, len(name))) + name.encode() + bytes((len(value),)) + value.encode()


def _headers(stream: int, *pairs: tuple[str, str], end: bool) -> Frame:
    flags = _END_HEADERS | (_END_STREAM if end else 0)
    payload = b"".join(_header(*pair) for pair in pairs)
    return Frame(kind=Kind.HEADERS, flags=flags, stream=stream, payload=payload)


def _data(stream: int, payload: bytes, *, end: bool) -> Frame:
    return Frame(kind=Kind.DATA, flags=_END_STREAM if end else 0, stream=stream, payload=payload)


@dataclass(slots=True, kw_only=True)
class _Peer:
    """One end of a connection, which does what every end has to."""

    connection: socket.socket
    _received: bytes = b""

    def send(self, frame: Frame) -> None:
        self.connection.sendall(frame.encode())

    def frames(self) -> Iterator[Frame]:
        """Yield frames that are about a stream, or the end of the connection."""
        while head := self._take(9):
            length, stream = int.from_bytes(head[:3], "big"), int.from_bytes(head[5:], "big")
            frame = Frame(kind=head[3], flags=head[4], stream=stream, payload=self._take(length))
            if frame.kind in (Kind.SETTINGS, Kind.PING) and not frame.flags & _ACK:
                payload = frame.payload if frame.kind == Kind.PING else b""
                self.send(Frame(kind=frame.kind, flags=_ACK, payload=payload))
            elif frame.kind in (Kind.DATA, Kind.HEADERS, Kind.RST_STREAM, Kind.GOAWAY):
                yield frame

    def _take(self, length: int) -> bytes:
        while len(self._received) < length:
            more = self.connection.recv(65536)
            if not more:
                return b""
            self._received += more
        taken, self._received = self._received[:length], self._received[length:]
        return taken


@dataclass(slots=True, kw_only=True)
class Http2Client:
    """A client of one connection, which may be TLS."""

    connection: socket.socket
    host: str
    _peer: _Peer = field(init=False)
    _streams: int = -1

    def __post_init__(self) -> None:
        self._peer = _Peer(connection=self.connection)
        self.connection.sendall(_PREFACE + Frame(kind=Kind.SETTINGS).encode())

    def begin(self, method: str, path: str, *, end: bool, **headers: str) -> int:
        """Send a request's headers; return its stream."""
        self._streams += 2
        pairs = ((":method", method), (":scheme", "https"), (":authority", self.host))
        more = ((name.replace("_", "-"), value) for name, value in headers.items())
        self._peer.send(_headers(self._streams, *pairs, (":path", path), *more, end=end))
        return self._streams

    def send(self, stream: int, payload: bytes, *, end: bool = False) -> None:
        """Send a part of a request's body."""
        self._peer.send(_data(stream, payload, end=end))

    def read(self) -> Frame:
        """Return the next frame of an answer."""
        return next(self._peer.frames())


class _Grpc(socketserver.BaseRequestHandler):
    """Answers each message with the same one as soon as it is there, and at the end with trailers."""

    def handle(self) -> None:
        peer = _Peer(connection=self.request)
        if peer._take(len(_PREFACE)) != _PREFACE:
            return
        peer.send(Frame(kind=Kind.SETTINGS))
        for frame in peer.frames():
            if frame.kind == Kind.HEADERS:
                head = ((":status", "200"), ("content-type", "application/grpc"))
                peer.send(_headers(frame.stream, *head, end=False))
            if frame.kind == Kind.DATA and frame.payload:
                peer.send(_data(frame.stream, frame.payload, end=False))
            if frame.ends:
                peer.send(_headers(frame.stream, ("grpc-status", "0"), end=True))


@contextlib.contextmanager
def grpc_server() -> Iterator[int]:
    """Run a server of HTTP/2 without TLS, which speaks no HTTP/1.1; yield its port."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Grpc) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
