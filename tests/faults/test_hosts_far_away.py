"""A client that never lets go: row 23."""

from __future__ import annotations

import socket
import time

import pytest
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.docker

UPGRADE = (
    b"GET /websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def test_an_open_websocket_does_not_hold_the_drain_for_ever(box: Sandbox) -> None:
    """Row 23: the connection lives through the switch and is cut when the drain's time is over."""
    box.configure(stop={"timeout": "1s", "drain": "3s"})
    box.deployed("1.0.0")
    with socket.create_connection(("127.0.0.1", box.port), 10) as client, box.load() as stop:
        client.sendall(UPGRADE)
        assert b" 101 " in client.recv(4096)
        begun = time.monotonic()
        done = box.deploy("2.0.0")
        took = time.monotonic() - begun
        seen = stop()
        client.settimeout(1)
        assert client.recv(4096) == b"", "the old release still has the connection"
    assert done.exit_code == 0, done.text
    assert seen.lost == 0, f"{seen} {seen.examples}"
    assert box.serving() == "2.0.0"
    assert 3 <= took < 60, f"{took:.1f} s, with a drain of 3 s"
