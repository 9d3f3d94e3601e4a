"""Joins a stream of a container with the process's own input and output, a terminal's or a pipe's."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import termios
import tty
from collections.abc import Callable, Iterator

__all__ = ["is_terminal", "relay"]

_CHUNK_BYTES = 65536
_HEADER_BYTES = 8
_STDERR = 2


def is_terminal() -> bool:
    """Tell whether a person types here and reads here."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def relay(stream: socket.socket, *, terminal: bool, resize: Callable[[int, int], None]) -> None:
    """Copy both ways until the stream ends.

    Args:
        stream: plain bytes with a terminal; else output comes in the engine's frames.
        terminal: the container has a terminal; keys such as Ctrl-C are its own then.
        resize: told rows and columns at first and whenever the window changes.
    """
    if not terminal:
        _copy(stream, framed=True)
        return
    with _raw_mode(resize) as measure:
        _copy(stream, framed=False, begun=measure)


def _copy(stream: socket.socket, *, framed: bool, begun: Callable[[], None] = lambda: None) -> None:
    """Copy both ways.

    Args:
        begun: called at the first output: before it the command may not have begun.
    """
    pending, first = bytearray(), True
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        # A file is always readable, and epoll refuses it.
        with contextlib.suppress(ValueError, OSError):
            selector.register(0, selectors.EVENT_READ)
        if len(selector.get_map()) == 1 and sys.stdin is not None:
            _send_file(stream)
        while True:
            for key, _ in selector.select():
                if key.fileobj is stream:
                    data = stream.recv(_CHUNK_BYTES)
                    if not data:
                        return
                    if first:
                        first = False
                        begun()
                    pending += data
                    _write_all(pending, framed=framed)
                elif data := os.read(0, _CHUNK_BYTES):
                    stream.sendall(data)
                else:
                    selector.unregister(0)
                    _end_input(stream)


def _send_file(stream: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := os.read(0, _CHUNK_BYTES):
            stream.sendall(data)
    _end_input(stream)


def _end_input(stream: socket.socket) -> None:
    with contextlib.suppress(OSError):
        stream.shutdown(socket.SHUT_WR)


def _write_all(pending: bytearray, *, framed: bool) -> None:
    """Write what is complete, and take it away: frames to their own stream."""
    if not framed:
        _write(1, bytes(pending))
        pending.clear()
        return
    while len(pending) >= _HEADER_BYTES:
        end = _HEADER_BYTES + int.from_bytes(pending[4:_HEADER_BYTES], "big")
        if len(pending) < end:
            return
        _write(_STDERR if pending[0] == _STDERR else 1, bytes(pending[_HEADER_BYTES:end]))
        del pending[:end]


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


@contextlib.contextmanager
def _raw_mode(resize: Callable[[int, int], None]) -> Iterator[Callable[[], None]]:
    """Pass every key on, and every change of the window; put the terminal back at the end.

    Yields what passes the present size on.
    """

    def changed(*_: object) -> None:
        size = os.get_terminal_size(1)
        resize(size.lines, size.columns)

    before = termios.tcgetattr(0)
    previous = signal.signal(signal.SIGWINCH, changed)
    try:
        changed()
        tty.setraw(0)
        yield changed
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, previous)
