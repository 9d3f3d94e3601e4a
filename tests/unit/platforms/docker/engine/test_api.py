"""The Engine API's client against an HTTP server on a socket of its own."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from deploy_action.platforms.docker.engine.api import EngineApi, EngineApiError
from deploy_action.platforms.docker.engine.transport import UnixEndpoint


@dataclass(slots=True)
class Engine:
    """What it was asked, and on how many connections; what it will answer."""

    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    connections: int = 0
    answers: list[tuple[int, str, bytes]] = field(default_factory=list)
    hangs_up: bool = False
    """Ends each connection right after its answer, without a word about that."""
    waits: threading.Event = field(default_factory=threading.Event)
    """Kept waiting where it was asked for `slow`."""


@pytest.fixture
def engine() -> Engine:
    """One that knows what it was asked."""
    return Engine()


@pytest.fixture
def api(engine: Engine, tmp_path: Path) -> Iterator[EngineApi]:
    """A client of it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            engine.connections += 1

        def do_GET(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            engine.asked.append((self.command, self.path, content))
            given = (200, "", b"")
            if "slow" in self.path:
                engine.waits.wait(10)
            elif engine.answers:
                given = engine.answers.pop(0)
            status, kind, body = given
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if kind:
                self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = engine.hangs_up

        do_POST = do_GET  # noqa: N815

        def address_string(self) -> str:
            return "socket"

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    path = tmp_path / "engine.sock"
    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        client = EngineApi(UnixEndpoint(path=str(path)))
        yield client
        client.close()
        engine.waits.set()
        server.shutdown()


def test_a_path_keeps_an_images_name_and_nothing_else_unquoted(
    api: EngineApi, engine: Engine
) -> None:
    """What comes from outside can be no other path and no parameter."""
    api.get("images", "ghcr.io/acme/shop:1.0@sha256:ab", "json")
    api.get("containers", "a?force=1#x y", "json", all=True, filters={"label": ["a=b"]})
    assert [path for _, path, _ in engine.asked] == [
        "/images/ghcr.io/acme/shop:1.0@sha256:ab/json",
        "/containers/a%3Fforce%3D1%23x%20y/json?all=1&filters=%7B%22label%22%3A+%5B%22a%3Db%22%5D%7D",
    ]


def test_json_is_values_and_the_rest_is_bytes(api: EngineApi, engine: Engine) -> None:
    """A body is sent as JSON, and where there is none nothing is."""
    engine.answers = [
        (201, "application/json", b'{"Id": "x"}'),
        (200, "", b"\x01\x00"),
        (204, "", b""),
    ]
    assert api.post("containers", "create", body={"Image": "a"}) == {"Id": "x"}
    assert api.get("containers", "x", "logs") == b"\x01\x00"
    assert api.post("containers", "x", "start") == b""
    assert [json.loads(content) if content else None for _, _, content in engine.asked] == [
        {"Image": "a"},
        None,
        None,
    ]


def test_a_refusal_has_the_engines_own_words(api: EngineApi, engine: Engine) -> None:
    """Also where they are no JSON."""
    engine.answers = [
        (409, "application/json", b'{"message": "name is taken"}'),
        (502, "", b"gone"),
    ]
    with pytest.raises(EngineApiError, match="name is taken") as refused:
        api.post("containers", "create")
    assert refused.value.status == 409
    with pytest.raises(EngineApiError, match="gone"):
        api.get("info")


def test_calls_share_a_connection_and_threads_do_not(api: EngineApi, engine: Engine) -> None:
    """One that is busy is not waited for."""
    for _ in range(3):
        api.get("info")
    assert engine.connections == 1
    slow = threading.Thread(target=api.get, args=("slow",))
    slow.start()
    while len(engine.asked) < 4:
        pass
    api.get("info")
    engine.waits.set()
    slow.join()
    assert engine.connections == 2


def test_a_connection_that_the_engine_has_ended_is_not_used_again(
    api: EngineApi, engine: Engine
) -> None:
    """A restarted engine is asked on a new one."""
    engine.hangs_up = True
    for _ in range(3):
        assert api.get("info") == b""
    assert engine.connections == 3


def test_what_takes_too_long_ends_with_its_connection(api: EngineApi, engine: Engine) -> None:
    """An answer that comes late must not be taken for the next call's."""
    with pytest.raises(TimeoutError):
        api.post("slow", seconds=0.05)
    engine.waits.set()
    engine.answers = [(200, "application/json", b'"mine"')]
    assert api.get("info") == "mine"
    assert engine.connections == 2


def test_nobody_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    """The caller says which host it was."""
    api = EngineApi(UnixEndpoint(path=str(tmp_path / "none.sock")))
    with pytest.raises(FileNotFoundError):
        api.get("info")


def test_half_an_answer_is_none(tmp_path: Path) -> None:
    """An engine that ends in the middle has not answered."""
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def half() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}")

        thread = threading.Thread(target=half)
        thread.start()
        api = EngineApi(UnixEndpoint(path=str(path)))
        with pytest.raises(Exception, match="IncompleteRead"):
            api.get("info")
        thread.join()
