"""A line that is slow: TCP connections passed on with a delay, for kernels without netem.

Every piece that is read waits for half of the round trip before it is passed on, in either
direction; pieces do not wait for each other. What no user space can delay is the handshake of TCP
itself, once per connection; an ssh deployment makes one a host.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping

__all__ = ["SlowLines", "slow_lines"]

_CHUNK = 65536
Address = tuple[str, int]


class SlowLines:
    """Listens on some addresses and passes connections on to others; `milliseconds` can change."""

    def __init__(self, lines: Mapping[Address, Address]) -> None:
        self.milliseconds = 0.0
        self._lines = lines
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        for here, there in self._lines.items():
            self._loop.run_until_complete(self._listen(here, there))
        self._listening.set()
        self._loop.run_forever()

    async def _listen(self, here: Address, there: Address) -> None:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection(*there)
                await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))

        await asyncio.start_server(accept, *here)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass every piece on when its time has come; the end of the stream is one, too."""
        with contextlib.suppress(OSError):
            pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
            sending = asyncio.create_task(self._send(pieces, writer))
            piece = b"-"
            while piece:
                with contextlib.suppress(OSError):
                    piece = b""
                    piece = await reader.read(_CHUNK)
                await pieces.put((self._loop.time() + self.milliseconds / 2000, piece))
            await sending

    async def _send(
        self, pieces: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        try:
            while True:
                due, piece = await pieces.get()
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                if not piece:
                    return
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        if not self._listening.wait(10):
            raise SystemExit("the slow lines do not listen")

    def stop(self) -> None:
        """Cut all of them."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


@contextlib.contextmanager
def slow_lines(lines: Mapping[Address, Address]) -> Iterator[SlowLines]:
    """Have lines from one address to another."""
    made = SlowLines(lines)
    made.start()
    try:
        yield made
    finally:
        made.stop()
