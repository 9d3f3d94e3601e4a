"""Joins a stream of a container with the process's own input and output, a terminal's or a pipe's."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import sys
import termios
import threading
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
    # A thread of its own: a program that stops reading must not keep its output from being read.
    threading.Thread(target=_send_input, args=(stream,), daemon=True).start()
    if not terminal:
        _receive(stream, framed=True, begun=lambda: None)
        return
    with _raw_mode(resize) as measure:
        _receive(stream, framed=False, begun=measure)


def _receive(stream: socket.socket, *, framed: bool, begun: Callable[[], None]) -> None:
    """Write the output to its end.

    Args:
        begun: called at the first output: before it the command may not have begun.
    """
    pending, first = bytearray(), True
    while data := stream.recv(_CHUNK_BYTES):
        if first:
            first = False
            begun()
        pending += data
        _write_all(pending, framed=framed)


def _send_input(stream: socket.socket) -> None:
    sent = False
    with contextlib.suppress(OSError):
        while data := os.read(0, _CHUNK_BYTES):
            stream.sendall(data)
            sent = True
        if not isinstance(stream, ssl.SSLSocket):
            stream.shutdown(socket.SHUT_WR)
        elif sent:
            # TLS cannot end one direction alone here: the other one would end, too.
            note = "the end of the input is not passed on to an engine behind TLS; Ctrl-C ends it"
            _write(_STDERR, f"deploy-action: {note}\n".encode())


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
    changed = threading.Event()

    def measure() -> None:
        size = os.get_terminal_size(1)
        resize(size.lines, size.columns)

    def follow() -> None:
        # Not in the signal's handler: a slow host must not hold up what is typed.
        while changed.wait():
            changed.clear()
            measure()

    before = termios.tcgetattr(0)
    previous = signal.signal(signal.SIGWINCH, lambda *_: changed.set())
    threading.Thread(target=follow, daemon=True).start()
    try:
        measure()
        tty.setraw(0)
        yield measure
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, previous)
