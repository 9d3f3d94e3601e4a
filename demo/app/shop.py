"""A small web service to deploy: it says its version, and misbehaves when its environment asks.

Only asyncio and what comes with it is imported, so that it is ready a tenth of a second after its
start. Routes: `/`, `/healthz`, `/version`, `/stats`, `/slow?seconds=2`, `/stream?seconds=2`,
`/websocket`, and `POST /echo`.

Faults, each by a variable of the environment:
    EXIT_AT_START=3         leave with this code before listening
    EXIT_AFTER=2.5          leave with code 1 after so many seconds
    READY_AFTER=1.5         listen only after so many seconds
    LISTEN=127.0.0.1        listen where nobody outside the container can reach it
    HEALTH=500              /healthz answers with this status, or: flap, hang, redirect
    WRONG_VERSION=0.9       claim to be another version
    FAIL_RATE=0.5           this share of the answers (but /healthz) is a 500
    HANG_UP=1               every request (but /healthz) is closed without an answer
    LATENCY=0.2             every answer (but /healthz) is late by so many seconds
    EAT_MEMORY=512          allocate so many megabytes before listening
    IGNORE_SIGTERM=1        never stop on SIGTERM
    DIE_ON_SIGTERM=1        stop at once on SIGTERM, whatever is in flight
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha1
from urllib.parse import parse_qs, urlsplit

GRACE_SECONDS = 30
HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 1024 * 1024
REASONS = {200: "OK", 302: "Found", 404: "Not Found", 405: "Method Not Allowed"}
WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Shop {version}</title>
<h1>Shop</h1><p>You are served by version <b>{version}</b>.</p></html>
"""


class BadRequest(Exception):
    """The client sent what is no HTTP/1.1 request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asked for; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What it gets."""

    status: int = 200
    kind: str = "text/plain; charset=utf-8"
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True, kw_only=True)
class Shop:
    """The service and what it counts."""

    environment: Mapping[str, str]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    connections: set[asyncio.Task[None]] = field(default_factory=set)
    busy: set[asyncio.Task[None]] = field(default_factory=set)
    asked: int = 0
    answered: int = 0
    failed: float = 0.0
    probes: int = 0

    @property
    def version(self) -> str:
        """The version that it claims to be."""
        return self.environment.get("WRONG_VERSION") or self.environment.get("VERSION", "dev")

    def setting(self, name: str) -> float:
        """Return a number from the environment; 0 where there is none."""
        return float(self.environment.get(name) or 0)

    async def answer(self, request: Request) -> Answer:
        """Find the route and its answer, with the faults that were asked for."""
        self.asked += 1
        if request.path == "/healthz":
            return await self.health()
        if latency := self.setting("LATENCY"):
            await asyncio.sleep(latency)
        # An exact share, not a random one: a rate of 0.5 fails every second answer.
        self.failed += self.setting("FAIL_RATE")
        if self.failed >= 1:
            self.failed -= 1
            return Answer(status=500, body=b"the shop is broken\n")
        return await self.route(request)

    async def route(self, request: Request) -> Answer:
        """Answer without any fault."""
        match request.method, request.path:
            case "POST" | "PUT", "/echo":
                return Answer(kind="application/octet-stream", body=request.body)
            case method, _ if method not in {"GET", "HEAD"}:
                return Answer(status=405, body=b"method not allowed\n")
            case _, "/":
                page = PAGE.format(version=self.version).encode()
                return Answer(kind="text/html; charset=utf-8", body=page)
            case _, "/version":
                return as_json({"service": "shop", "version": self.version})
            case _, "/stats":
                return as_json({"asked": self.asked, "answered": self.answered})
            case _, "/slow":
                await asyncio.sleep(float(request.query.get("seconds", ["1"])[0]))
                return Answer(body=b"slow, but here\n")
        return Answer(status=404, body=b"no such page\n")

    async def health(self) -> Answer:
        """Answer the health check: well, or as HEALTH says."""
        self.probes += 1
        match self.environment.get("HEALTH", ""):
            case "":
                return Answer(body=b"ok\n")
            case "flap":
                return Answer(status=200 if self.probes % 2 else 503, body=b"flapping\n")
            case "hang":
                await asyncio.sleep(3600)
                return Answer()
            case "redirect":
                return Answer(status=302, headers=(("Location", "http://elsewhere.invalid/"),))
            case status:
                return Answer(status=int(status), body=b"unwell\n")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it is closed or the service stops."""
        task = asyncio.current_task()
        if task is None:  # for the type checker: a callback of a server is always a task
            return
        self.connections.add(task)
        try:
            while not self.stopping.is_set():
                request = await read_request(reader)
                if request is None:
                    break
                self.busy.add(task)
                if request.path == "/stream":
                    await stream(request, writer)
                    self.answered += 1
                    break
                if "websocket" in request.headers.get("upgrade", "").lower():
                    await hold_websocket(request, reader, writer)
                    break
                if self.environment.get("HANG_UP") and request.path != "/healthz":
                    break
                answer = await self.answer(request)
                closing = self.stopping.is_set() or request.headers.get("connection") == "close"
                writer.write(render(answer, version=self.version, request=request, closing=closing))
                await writer.drain()
                self.answered += 1
                self.busy.discard(task)
                if closing:
                    break
        except BadRequest as error:
            writer.write(
                f"HTTP/1.1 400 {error}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self.connections.discard(task)
            self.busy.discard(task)
            writer.close()

    async def stop(self) -> None:
        """Let what is in flight end, close idle connections, then leave."""
        self.stopping.set()
        for task in self.connections - self.busy:
            task.cancel()
        if self.connections:
            await asyncio.wait(self.connections, timeout=GRACE_SECONDS)


def as_json(content: Mapping[str, object]) -> Answer:
    """Answer with a JSON document."""
    return Answer(kind="application/json", body=json.dumps(content).encode() + b"\n")


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read one request; None when the client has closed the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError as error:
        raise BadRequest("Header too large") from error
    try:
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        pairs = (line.split(":", 1) for line in lines)
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        length = int(headers.get("content-length", "0"))
    except ValueError as error:
        raise BadRequest("Bad request") from error
    if not 0 <= length <= BODY_LIMIT or "transfer-encoding" in headers:
        raise BadRequest("Bad length")
    try:
        body = await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        return None
    url = urlsplit(target)
    return Request(
        method=method, path=url.path, query=parse_qs(url.query), headers=headers, body=body
    )


def render(answer: Answer, *, version: str, request: Request, closing: bool) -> bytes:
    """Write an answer as HTTP/1.1."""
    headers = [
        ("Content-Type", answer.kind),
        ("Content-Length", str(len(answer.body))),
        ("X-Version", version),
        ("Connection", "close" if closing else "keep-alive"),
        *answer.headers,
    ]
    lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Failed')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    return head if request.method == "HEAD" else head + answer.body


async def stream(request: Request, writer: asyncio.StreamWriter) -> None:
    """Send a line every tenth of a second, in chunks, and close the connection at the end."""
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n"
    )
    for number in range(int(10 * float(request.query.get("seconds", ["1"])[0]))):
        line = f"line {number}\n".encode()
        writer.write(b"%x\r\n%s\r\n" % (len(line), line))
        await writer.drain()
        await asyncio.sleep(0.1)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def hold_websocket(
    request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Accept a websocket and keep it open until the client goes; whatever it says is answered."""
    key = request.headers.get("sec-websocket-key", "").encode()
    accept = b64encode(sha1(key + WEBSOCKET_GUID, usedforsecurity=False).digest()).decode()
    writer.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
    )
    await writer.drain()
    while await reader.read(4096):
        writer.write(b"\x81\x02ok")  # a text frame, unmasked as a server's are
        await writer.drain()


def handle_sigterm(environment: Mapping[str, str], stopped: asyncio.Event) -> None:
    """Stop with care, unless the environment asks for something else."""
    if environment.get("IGNORE_SIGTERM"):
        print("SIGTERM ignored", flush=True)
    elif environment.get("DIE_ON_SIGTERM"):
        os._exit(128 + signal.SIGTERM)
    else:
        stopped.set()


async def run(environment: Mapping[str, str]) -> int:
    """Listen and serve until a signal; return the exit code."""
    shop = Shop(environment=environment)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, handle_sigterm, environment, stopped)
    loop.add_signal_handler(signal.SIGINT, stopped.set)
    await asyncio.sleep(shop.setting("READY_AFTER"))
    server = await asyncio.start_server(
        shop.serve,
        environment.get("LISTEN", "0.0.0.0"),
        int(environment.get("PORT", "8080")),
        limit=HEAD_LIMIT,
        backlog=1024,
    )
    print(f"shop {shop.version} is listening", flush=True)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopped.wait(), shop.setting("EXIT_AFTER") or None)
    if not stopped.is_set():
        print("shop: fatal: leaving, as EXIT_AFTER says", flush=True)
        return 1
    print("shop is stopping", flush=True)
    server.close()
    await shop.stop()
    return 0


def main() -> int:
    """Start the service, or fail as asked."""
    environment = dict(os.environ)
    if code := environment.get("EXIT_AT_START"):
        print("shop: fatal: cannot reach the database", flush=True)
        return int(code)
    hoard = b"\xa5" * (int(environment.get("EAT_MEMORY") or 0) * 1024 * 1024)
    started = time.monotonic()
    code_of_run = asyncio.run(run(environment))
    print(f"shop served for {time.monotonic() - started:.1f} s", flush=True)
    del hoard
    return code_of_run


if __name__ == "__main__":
    raise SystemExit(main())
