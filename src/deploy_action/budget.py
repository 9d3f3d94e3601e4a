"""What one exchange with another program may cost: bytes and seconds, in total.

A socket's own timeout starts anew with every byte, so a peer that sends one now and then, or without
end, would hold us for ever. Whoever reads from a host, an engine, an application or an API reads through
this.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["BoundedStream", "TooLarge", "within"]

T = TypeVar("T")


class TooLarge(OSError):
    """A peer sent more bytes than an exchange may have."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the answer is longer than {_readable(size)}")


class BoundedStream(io.RawIOBase):
    """What a socket receives, until so many seconds or bytes are used up.

    It stands in for the socket where http.client asks one for a file.
    """

    def __init__(self, connection: socket.socket, *, seconds: float, size: int) -> None:
        """Begin an exchange of at most `seconds` and `size` bytes."""
        self._connection = connection
        # Keeps the socket open while an answer is read whose connection ends with it.
        self._raw = connection.makefile("rb", buffering=0)
        self.renew(seconds=seconds, size=size)

    def renew(self, *, seconds: float, size: int) -> None:
        """Begin the next exchange on the same socket."""
        self._deadline = time.monotonic() + seconds
        self._size = self._left = size

    def makefile(self, _mode: str = "rb") -> io.BufferedReader:
        """Return itself as a buffered file."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come.

        Raises:
            TimeoutError: the time is up.
            TooLarge: the bytes are.
        """
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._connection.settimeout(left)
        count = self._raw.readinto(buffer) or 0
        self._left -= count
        if self._left < 0:
            raise TooLarge(self._size)
        return int(count)

    def close(self) -> None:
        self._raw.close()
        super().close()


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what a call returns that bounds only each of its waits, such as one of a library.

    A call that is given up goes on in its thread, which ends with the process.

    Raises:
        TimeoutError: it takes longer.
    """
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(max(0.0, seconds))
    if failed:
        raise failed[0]
    if not done:
        raise TimeoutError(f"timed out after {seconds:g} s")
    return done[0]


def _readable(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"
