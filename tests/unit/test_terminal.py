"""Input and output of a command in a container, joined with this process's own."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from deploy_action.terminal import relay


def frame(stream: int, content: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(content).to_bytes(4, "big") + content


def test_more_than_any_buffer_goes_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A command that writes while it reads, such as cat, gets all of a file and returns all of it."""
    content = os.urandom(1 << 20) * 8
    (tmp_path / "given").write_bytes(content)
    ours, theirs = socket.socketpair()

    def echo() -> None:
        with theirs:
            while data := theirs.recv(65536):
                theirs.sendall(frame(1, data))
            theirs.sendall(frame(2, b"done"))

    threading.Thread(target=echo, daemon=True).start()
    given = os.open(tmp_path / "given", os.O_RDONLY)
    saved = os.dup(0)
    try:
        os.dup2(given, 0)
        with ours:
            relay(ours, terminal=False, resize=lambda rows, columns: None)
    finally:
        os.dup2(saved, 0)
        os.close(saved)
        os.close(given)
    said = capfdbinary.readouterr()
    assert said.out == content
    assert said.err == b"done"
