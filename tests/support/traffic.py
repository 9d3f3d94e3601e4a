"""A mix of clients: short, slow, posted, streamed, polled and open requests at the same time."""

from __future__ import annotations

import asyncio
import base64
import os
import struct
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from tests.load_probe import Load, Probe

__all__ = ["FULL", "Mix", "Total", "Traffic"]

_ANSWER_SECONDS = 10.0
_PING_SECONDS = 0.5
_FRAME = b"\x81\x02ok"
"""The shop's answer to any message on a websocket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How many clients of each kind there are at any time, and for how long the long ones last."""

    keep_alive: int = 16
    new: int = 12
    post: int = 8
    idle: int = 6
    slow: int = 8
    stream: int = 8
    poll: int = 6
    websocket: int = 8
    slow_seconds: float = 5.0
    stream_seconds: float = 3.0
    poll_seconds: float = 8.0
    websocket_seconds: float = 8.0
    rate: float = 300.0
    """Of the short requests, in all."""
    idle_seconds: float = 4.0
    """How long an idle client leaves its connection unused between two requests."""

    @property
    def clients(self) -> int:
        """The number of all clients."""
        short = self.keep_alive + self.new + self.post + self.idle
        return short + self.slow + self.stream + self.poll + self.websocket


FULL = Mix()


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Counts of each kind, and which versions answered."""

    sent: dict[str, int]
    lost: dict[str, int]
    examples: tuple[str, ...]
    versions: dict[str, int]

    @property
    def all_sent(self) -> int:
        """Requests, streams, polls and websockets together."""
        return sum(self.sent.values())

    @property
    def all_lost(self) -> int:
        """All that were not answered to the end."""
        return sum(self.lost.values())


class Traffic:
    """Runs a mix against a shop until the block is left.

    with Traffic(url, FULL) as traffic:
        ...
    assert traffic.total().all_lost == 0
    """

    def __init__(self, url: str, mix: Mix, *, max_seconds: float = 7200.0) -> None:
        short = Load(
            keep_alive=mix.keep_alive,
            new=mix.new,
            post=mix.post,
            rate=mix.rate,
            max_seconds=max_seconds,
            max_requests=10**9,
        )
        idle = Load(
            keep_alive=mix.idle,
            new=0,
            rate=mix.idle / mix.idle_seconds,
            max_seconds=max_seconds,
        )
        self._probes = {
            "short": Probe(f"{url}/version", short),
            "idle": Probe(f"{url}/version", idle),
        }
        for name, path, count, seconds in (
            ("slow", "/slow", mix.slow, mix.slow_seconds),
            ("stream", "/stream", mix.stream, mix.stream_seconds),
            ("poll", "/slow", mix.poll, mix.poll_seconds),
        ):
            load = Load(
                keep_alive=0,
                new=0,
                slow=count,
                slow_path=f"{path}?seconds={seconds}",
                slow_seconds=seconds,
                max_seconds=max_seconds,
            )
            self._probes[name] = Probe(url, load)
        self._websockets = _Websockets(url, mix.websocket, mix.websocket_seconds)

    def __enter__(self) -> Self:
        for probe in self._probes.values():
            probe.start()
        self._websockets.start()
        self._probes["short"].wait(lambda counts: counts.ok >= 50)
        return self

    def __exit__(self, *_: object) -> None:
        self._websockets.stop()
        for probe in self._probes.values():
            probe.stop()

    def total(self) -> Total:
        """Return the counts, so far or in the end."""
        sent: Counter[str] = Counter()
        lost: Counter[str] = Counter()
        examples: list[str] = []
        for name, probe in self._probes.items():
            counts = probe.snapshot()
            for kind, count in counts.kinds.items():
                label = str(kind) if name == "short" else name
                sent[label] += count.sent
                lost[label] += count.lost
            examples += [
                f"{name} {one.kind} at {one.seconds:.2f} s: {one.loss}, {one.detail}"
                for one in counts.examples
            ]
        held = self._websockets
        sent["websocket"], lost["websocket"] = held.opened, len(held.cut)
        short = self._probes["short"].snapshot()
        return Total(
            sent=dict(sent),
            lost=dict(lost),
            examples=(*examples, *held.cut),
            versions={seen.version: seen.answers for seen in short.versions},
        )


@dataclass(slots=True)
class _Websockets:
    """Websockets that are each held open for some seconds, with a word and its answer in between.

    One that is refused, or ends before its time, was cut.
    """

    url: str
    count: int
    seconds: float
    opened: int = 0
    cut: list[str] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let every one stay open for its time."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    async def _run(self) -> None:
        await asyncio.gather(*(self._hold_one_after_the_other() for _ in range(self.count)))

    async def _hold_one_after_the_other(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            begun = loop.time()
            self.opened += 1
            try:
                await self._hold(begun + self.seconds)
            except (OSError, EOFError, TimeoutError) as error:
                lived = loop.time() - begun
                self.cut.append(f"websocket after {lived:.2f} s: {type(error).__name__} {error}")
                await asyncio.sleep(0.05)

    async def _hold(self, until: float) -> None:
        parts = urlsplit(self.url)
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            key = base64.b64encode(os.urandom(16)).decode()
            lines = [
                "GET /websocket HTTP/1.1",
                f"Host: {parts.netloc}",
                "Upgrade: websocket",
                "Connection: Upgrade",
                f"Sec-WebSocket-Key: {key}",
                "Sec-WebSocket-Version: 13",
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            async with asyncio.timeout(_ANSWER_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 101 "):
                raise OSError(head.partition(b"\r\n")[0].decode("latin-1"))
            while loop.time() < until:
                writer.write(_masked(b"hello"))
                async with asyncio.timeout(_ANSWER_SECONDS):
                    if await reader.readexactly(len(_FRAME)) != _FRAME:
                        raise OSError("another answer than the shop's")
                await asyncio.sleep(min(_PING_SECONDS, max(0.0, until - loop.time())))
        finally:
            writer.close()


def _masked(text: bytes) -> bytes:
    """Write a text frame as a client has to (RFC 6455, 5.3)."""
    mask = os.urandom(4)
    body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(text))
    return struct.pack("!BB", 0x81, 0x80 | len(text)) + mask + body
