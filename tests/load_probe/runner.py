"""The load as it runs: workers of four kinds until time, number or the caller ends it."""

from __future__ import annotations

import asyncio
import errno
import json
import random
import ssl
import time
from urllib.parse import urlsplit

from tests.load_probe.connection import Connection, Cut, NotHttp, Reply
from tests.load_probe.load import Load, resolve
from tests.load_probe.result import Ending, Kind, Loss
from tests.load_probe.tally import Tally

from deploy_action.errors import BadInput
from deploy_action.jsonpath import look_up

__all__ = ["Runner"]

_LOCAL = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM)
_PAUSE_SECONDS = 0.01
"""After a connection that did not come about, so that a refusing port is not asked in a busy loop."""


class Runner:
    """Sends one load to one URL and counts; made and run in the load's own thread."""

    def __init__(self, url: str, load: Load, tally: Tally) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(f"{url}: not a URL to probe", remedy="write http://127.0.0.1:8080/")
        self._load = load
        self._tally = tally
        self._tls = (
            ssl.create_default_context(cafile=load.ca_file) if parts.scheme == "https" else None
        )
        self._host = load.host_header or parts.netloc.rpartition("@")[2]
        self._port = parts.port or (443 if self._tls else 80)
        self._address = resolve(parts.hostname, self._port, load)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._stopping = asyncio.Event()
        self._ended_by: Ending = "time"
        self._left = load.max_requests
        self._next_slot = 0.0
        self._workers: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Run the load to its end; requests under way are finished, not cut."""
        counts = {
            Kind.KEEP_ALIVE: self._load.keep_alive,
            Kind.NEW: self._load.new,
            Kind.POST: self._load.post,
            Kind.SLOW: self._load.slow,
        }
        self._workers = [
            asyncio.create_task(self._work(kind, random.Random(f"{kind} {index}")))
            for kind, count in counts.items()
            for index in range(count)
        ]
        timer = asyncio.get_running_loop().call_later(self._load.max_seconds, self._stopping.set)
        try:
            await asyncio.gather(*self._workers)
        except asyncio.CancelledError:
            # Only `abandon` cancels workers; what else fails in one is a bug and is raised.
            await asyncio.gather(*self._workers, return_exceptions=True)
        finally:
            timer.cancel()
            self._tally.end(self._ended_by)

    def stop(self) -> None:
        """Send nothing more."""
        if not self._stopping.is_set():
            self._ended_by = "stopped"
            self._stopping.set()

    def abandon(self) -> None:
        """Send nothing more and give up what is under way."""
        self.stop()
        for worker in self._workers:
            worker.cancel()

    async def _work(self, kind: Kind, chance: random.Random) -> None:
        connection: Connection | None = None
        try:
            while await self._may_send():
                connection = await self._still_open(connection)
                body = chance.randbytes(chance.randint(1, 4096)) if kind is Kind.POST else b""
                connection = await self._request(kind, connection, body)
        finally:
            if connection is not None:
                connection.abort()

    async def _may_send(self) -> bool:
        """Wait for the next slot of the rate; False when the load is over."""
        if self._load.rate is not None:
            loop = asyncio.get_running_loop()
            slot = max(loop.time(), self._next_slot)
            self._next_slot = slot + 1 / self._load.rate
            await self._pause(slot - loop.time())
        if self._stopping.is_set():
            return False
        if self._left <= 0:
            self._ended_by = "requests"
            self._stopping.set()
            return False
        self._left -= 1
        return True

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), max(0.0, seconds))
        except TimeoutError:
            pass

    async def _still_open(self, connection: Connection | None) -> Connection | None:
        if connection is None or not await connection.is_stale():
            return connection
        connection.abort()
        self._tally.reopen()
        return None

    async def _request(
        self, kind: Kind, connection: Connection | None, body: bytes
    ) -> Connection | None:
        """Send one request; return the connection when it can be used again."""
        self._tally.begin(kind)
        begun = time.monotonic()
        limit = self._load.timeout_seconds + (self._load.slow_seconds if kind is Kind.SLOW else 0)
        reply: Reply | None = None
        keep = False
        try:
            async with asyncio.timeout(limit):
                if connection is None:
                    connection = await self._connect()
                reply = await connection.exchange(self._message(kind, body))
            keep = reply.reusable and kind in (Kind.KEEP_ALIVE, Kind.POST)
        except asyncio.CancelledError:
            self._tally.abandon()
            raise
        except (Cut, NotHttp, OSError) as error:
            loss = _classify(error, connection)
            self._tally.lose(kind, loss, f"{type(error).__name__}: {error}")
        finally:
            if connection is not None and not keep:
                connection.abort()
        if reply is None:
            if connection is None:
                await self._pause(_PAUSE_SECONDS)
            return None
        self._judge(kind, reply, body, time.monotonic() - begun)
        return connection if keep else None

    async def _connect(self) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(
            Connection,
            self._address,
            self._port,
            ssl=self._tls,
            server_hostname=urlsplit(f"//{self._host}").hostname if self._tls else None,
        )
        return connection

    def _message(self, kind: Kind, body: bytes) -> bytes:
        method, path = "GET", self._path
        lines = [f"Host: {self._host}", "User-Agent: deploy-action-probe", "Accept: */*"]
        if kind is Kind.POST:
            method, path = "POST", self._load.post_path
            lines += ["Content-Type: application/octet-stream", f"Content-Length: {len(body)}"]
        elif kind is Kind.SLOW:
            path = self._load.slow_path
        if kind in (Kind.NEW, Kind.SLOW):
            # The server closes first, so that it is not us who run out of ports.
            lines.append("Connection: close")
        return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + body

    def _judge(self, kind: Kind, reply: Reply, body: bytes, seconds: float) -> None:
        if not 200 <= reply.status < 300:
            self._tally.lose(kind, Loss.BAD_STATUS, f"status {reply.status}")
        elif kind is Kind.POST and self._load.post_echo and reply.body != body:
            detail = f"{len(body)} bytes sent, {len(reply.body)} other ones came back"
            self._tally.lose(kind, Loss.WRONG_BODY, detail)
        elif kind is not Kind.POST and self._load.contains not in reply.body:
            self._tally.lose(kind, Loss.WRONG_BODY, "the expected text is not in the body")
        else:
            self._tally.succeed(kind, seconds, self._version(reply))

    def _version(self, reply: Reply) -> str:
        version = reply.headers.get(self._load.version_header.lower(), "")
        if version or not self._load.version_json:
            return version
        try:
            return str(look_up(json.loads(reply.body), self._load.version_json))
        except (ValueError, LookupError, RecursionError):
            return ""


def _classify(error: Exception, connection: Connection | None) -> Loss:
    match error:
        case NotHttp():
            return Loss.WRONG_BODY
        case Cut(received=False) if connection is not None and connection.answers:
            return Loss.STALE
        case Cut(error=None):
            return Loss.TRUNCATED if error.received else Loss.NO_ANSWER
        case Cut() | ConnectionResetError() | BrokenPipeError():
            return Loss.RESET
        case TimeoutError():
            return Loss.TIMEOUT
        case ConnectionRefusedError():
            return Loss.REFUSED
        case OSError() if error.errno in _LOCAL:
            return Loss.LOCAL
        case _:
            return Loss.UNREACHABLE
