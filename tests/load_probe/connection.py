"""HTTP/1.1 over one connection, with nothing between the probe and what really happened.

No retry, no pool, no buffering that could turn a loss into something else: bytes that arrived
before a reset still count, and how a connection ended is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Connection", "Cut", "NotHttp", "Reply"]

_HEAD_LIMIT = 65536
_BODY_LIMIT = 16 * 1024 * 1024


class Cut(Exception):
    """The connection ended before the answer did.

    Attributes:
        received: at least one byte of the answer had arrived.
        error: the reset; None when the other side closed in good order.
    """

    def __init__(self, *, received: bool, error: Exception | None) -> None:
        super().__init__(str(error or "closed"))
        self.received = received
        self.error = error


class NotHttp(Exception):
    """What arrived is not an HTTP answer, or is too long to be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A complete answer; header names in lower case, the last of equal ones."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    reusable: bool


class Connection(asyncio.Protocol):
    """One connection; `answers` counts what was completely received on it."""

    def __init__(self) -> None:
        self.answers = 0
        self._buffer = bytearray()
        self._received = 0
        self._transport: asyncio.Transport | None = None
        self._closed = False
        self._error: Exception | None = None
        self._arrival: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to write."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep what arrived."""
        self._buffer += data
        self._received += len(data)
        self._wake()

    def eof_received(self) -> None:
        """Note that the other side will send nothing more; the transport closes itself."""
        self._closed = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note how it ended."""
        self._closed = True
        self._error = self._error or exc
        self._wake()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    async def is_stale(self) -> bool:
        """Look, as close to sending as can be, whether the other side has closed already, or has
        said something unasked, which ends in the same (408 and a close).

        Two turns of the event loop: in the first the operating system is asked, in the second
        what it said has been delivered.
        """
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return self._closed or bool(self._buffer)

    async def exchange(self, request: bytes) -> Reply:
        """Send a request and read its answer.

        Raises:
            Cut: the connection ended first.
            NotHttp: the answer cannot be read.
        """
        self._received = len(self._buffer)
        if self._transport is not None:
            self._transport.write(request)
        status, headers, version = await self._head()
        while 100 <= status < 200:
            status, headers, version = await self._head()
        body, delimited = await self._body(status, headers)
        self.answers += 1
        options = {part.strip().lower() for part in headers.get("connection", "").split(",")}
        persistent = "close" not in options and (version != "HTTP/1.0" or "keep-alive" in options)
        return Reply(
            status=status,
            headers=headers,
            body=body,
            reusable=delimited and persistent and not self._buffer,
        )

    def abort(self) -> None:
        """Let go at once, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    async def _more(self) -> None:
        """Wait for something new: bytes, or the end."""
        if self._closed:
            raise Cut(received=self._received > 0, error=self._error)
        self._arrival = asyncio.get_running_loop().create_future()
        await self._arrival

    async def _until(self, mark: bytes) -> bytes:
        while (end := self._buffer.find(mark)) < 0:
            if len(self._buffer) > _HEAD_LIMIT:
                raise NotHttp("a line or head without end")
            await self._more()
        return self._take(end + len(mark))[:end]

    async def _exactly(self, length: int) -> bytes:
        if length > _BODY_LIMIT:
            raise NotHttp("a body of more than 16 MiB")
        while len(self._buffer) < length:
            await self._more()
        return self._take(length)

    def _take(self, length: int) -> bytes:
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        return taken

    async def _head(self) -> tuple[int, dict[str, str], str]:
        first, *lines = (await self._until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        status = rest[:3]
        if version not in ("HTTP/1.1", "HTTP/1.0") or not (status.isascii() and status.isdigit()):
            raise NotHttp("no HTTP/1 status line")
        pairs = (line.partition(":") for line in lines)
        return int(status), {name.lower(): value.strip() for name, _, value in pairs}, version

    async def _body(self, status: int, headers: Mapping[str, str]) -> tuple[bytes, bool]:
        """Return the body and whether its end was marked (RFC 9112, 6.3); where only the end of
        the connection ends it, a loss of its tail cannot be told."""
        if status in (204, 304):
            return b"", True
        if headers.get("transfer-encoding", "").lower().endswith("chunked"):
            return await self._chunks(), True
        length = headers.get("content-length")
        if length is None:
            return await self._rest(), False
        if not (length.isascii() and length.isdigit()):
            raise NotHttp("a content-length that is no number")
        return await self._exactly(int(length)), True

    async def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            size = (await self._until(b"\r\n")).partition(b";")[0].strip()
            try:
                length = int(size, 16)
            except ValueError as error:
                raise NotHttp("a chunk without a length") from error
            if length == 0:
                break
            if length < 0 or len(body) + length > _BODY_LIMIT:
                raise NotHttp("a body of more than 16 MiB")
            body += await self._exactly(length)
            if await self._exactly(2) != b"\r\n":
                raise NotHttp("a chunk longer than its length")
        while await self._until(b"\r\n"):
            pass
        return bytes(body)

    async def _rest(self) -> bytes:
        while True:
            try:
                await self._more()
            except Cut as cut:
                if cut.error is not None:
                    raise
                return self._take(len(self._buffer))
            if len(self._buffer) > _BODY_LIMIT:
                raise NotHttp("a body of more than 16 MiB")
