"""Input and output of containers as ordinary sockets.

Docker answers an attach or exec request by turning the HTTP connection into a stream in which
output comes in frames: one byte of stream number, three of padding, four of big-endian size
(Docker Engine API, "Attach to a container", stream format). A pump unpacks them, so that
anything that speaks over a socket (an HTTP client, TLS) can use the stream.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import BinaryIO

from deploy_action.budget import BoundedStream
from deploy_action.errors import DeployActionError, DeploymentFailed
from deploy_action.platforms.docker.engine.calls import DockerCalls
from deploy_action.platforms.docker.engine.protocol import Execution, Interaction

__all__ = ["DockerStreams", "frame_contents"]

_CHUNK_BYTES = 65536
_HEADER_BYTES = 8
_HEAD_BYTES = 65536
_HEAD_SECONDS = 60.0
_OUTPUT_BYTES = 65536
_TIMED_OUT = 124
_STDOUT = frozenset({1})
_STDOUT_AND_STDERR = frozenset({1, 2})


class DockerStreams(DockerCalls):
    """Commands in containers and their streams, by Docker's API."""

    def execute(
        self, container_id: str, argv: Sequence[str], *, timeout_seconds: float
    ) -> Execution:
        """Run a command and collect its output; exit code 124 means that it timed out."""
        execution, stream = self._exec(container_id, argv, stdin=False)
        # One deadline for all of it: a command that prints now and then must not run for ever.
        deadline = threading.Timer(timeout_seconds, _shut_down, [stream])
        deadline.start()
        output = bytearray()
        try:
            with stream.makefile("rb") as reader:
                for _, content in _frames(reader):
                    output += content
                    del output[:-_OUTPUT_BYTES]
            timed_out = not deadline.is_alive()
        except OSError:
            timed_out = True
        finally:
            deadline.cancel()
            stream.close()
        if len(output) == _OUTPUT_BYTES:
            # A line that was cut may hold a part of a secret, which nothing would recognise.
            output = output.partition(b"\n")[2]
        text = output.decode(errors="replace")
        if timed_out:
            return Execution(
                exit_code=_TIMED_OUT, output=f"timed out after {timeout_seconds:g} s: {text}"
            )
        with self._errors("inspect a command"):
            code = self._api.get("exec", execution, "json")["ExitCode"]
        return Execution(exit_code=_TIMED_OUT if code is None else int(code), output=text)

    def connect(self, container_id: str, argv: Sequence[str]) -> socket.socket:
        return _pump(self._exec(container_id, argv, stdin=True)[1], _STDOUT)

    def attach(self, container_id: str) -> socket.socket:
        query = "stream=1&stdin=1&stdout=1"
        return _pump(self._stream(f"/containers/{container_id}/attach?{query}"), _STDOUT)

    def interact(self, container_id: str, argv: Sequence[str], *, terminal: bool) -> Interaction:
        execution, stream = self._exec(container_id, argv, stdin=True, terminal=terminal)
        return Interaction(id=execution, stream=stream)

    def resize(self, interaction: Interaction, rows: int, columns: int) -> None:
        # The command may not have begun, or may have ended: its terminal keeps the size it has.
        with contextlib.suppress(DeployActionError), self._errors("resize a terminal"):
            self._api.post("exec", interaction.id, "resize", h=rows, w=columns)

    def exit_code(self, interaction: Interaction) -> int:
        with self._errors("inspect a command"):
            code = self._api.get("exec", interaction.id, "json")["ExitCode"]
        return _TIMED_OUT if code is None else int(code)

    def follow_log(
        self, container_id: str, *, tail: int | None, since: float | None, follow: bool
    ) -> socket.socket:
        query = f"stdout=1&stderr=1&follow={int(follow)}&tail={'all' if tail is None else tail}"
        if since is not None:
            query += f"&since={since:.3f}"
        # HTTP/1.0: the engine then sends the frames as they are, and closes at the end.
        path = f"/containers/{container_id}/logs?{query}"
        return _pump(self._stream(path, method="GET", version="1.0"), _STDOUT_AND_STDERR)

    def output(
        self, container_id: str, *, stdout: bool = True, stderr: bool = True
    ) -> socket.socket:
        query = f"stream=1&stdout={int(stdout)}&stderr={int(stderr)}"
        return _pump(self._stream(f"/containers/{container_id}/attach?{query}"), _STDOUT_AND_STDERR)

    def _exec(
        self, container_id: str, argv: Sequence[str], *, stdin: bool, terminal: bool = False
    ) -> tuple[str, socket.socket]:
        with self._errors(f"exec in {container_id[:12]}"):
            streams = {"AttachStdin": stdin, "AttachStdout": True, "AttachStderr": True}
            streams["Tty"] = terminal
            created = self._api.post(
                *("containers", container_id, "exec"), body={**streams, "Cmd": list(argv)}
            )
        execution = str(created["Id"])
        return execution, self._stream(
            f"/exec/{execution}/start", {"Detach": False, "Tty": terminal}
        )

    def _stream(
        self,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        method: str = "POST",
        version: str = "1.1",
    ) -> socket.socket:
        with self._errors("open a stream"):
            raw = self._transport.open()
            try:
                _upgrade(raw, f"{method} {path} HTTP/{version}", body)
            except BaseException:
                raw.close()
                raise
            return raw


def frame_contents(framed: bytes) -> bytes:
    """Return the contents of all frames, of both streams."""
    return b"".join(content for _, content in _frames(io.BytesIO(framed)))


def _frames(reader: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield stream number and content of each frame, a large one in pieces."""
    while len(header := reader.read(_HEADER_BYTES)) == _HEADER_BYTES:
        left = int.from_bytes(header[4:], "big")
        while left and (content := reader.read(min(left, _CHUNK_BYTES))):
            left -= len(content)
            yield header[0], content


def _upgrade(raw: socket.socket, request: str, body: Mapping[str, object] | None) -> None:
    """Send a request and read the response's head, byte for byte, up to where the stream begins.

    Raises:
        DeploymentFailed: the engine answered something else than 101 or 200.
        OSError: it did not answer in time, or not to an end.
    """
    payload = b"" if body is None else json.dumps(body).encode()
    raw.settimeout(_HEAD_SECONDS)
    raw.sendall(
        f"{request}\r\nHost: docker\r\nContent-Type: application/json\r\n"
        f"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {len(payload)}\r\n\r\n".encode()
        + payload
    )
    head = bytearray()
    with BoundedStream(raw, seconds=_HEAD_SECONDS, size=_HEAD_BYTES) as answer:
        while not head.endswith(b"\r\n\r\n"):
            byte = answer.read(1)
            if not byte:
                raise DeploymentFailed("the Docker engine closed the connection of a stream")
            head += byte
    # A stream is silent as long as its container is.
    raw.settimeout(None)
    status = head.split(b"\r\n", 1)[0].decode("latin-1")
    if status.split(" ")[1:2] not in (["101"], ["200"]):
        raise DeploymentFailed(f"the Docker engine refused a stream: {status}")


def _pump(raw: socket.socket, streams: Collection[int]) -> socket.socket:
    """Return a socket for the unpacked bytes of an upgraded connection; closing it closes `raw`.

    Args:
        streams: numbers of the output streams that are read; others are dropped.
    """
    ours, theirs = socket.socketpair()
    for copy in (lambda: _copy_in(raw, theirs), lambda: _copy_out(raw, theirs, streams)):
        threading.Thread(target=copy, daemon=True).start()
    return ours


def _copy_in(raw: socket.socket, theirs: socket.socket) -> None:
    try:
        while data := theirs.recv(_CHUNK_BYTES):
            raw.sendall(data)
        raw.shutdown(socket.SHUT_WR)
    except OSError:
        _end(raw, theirs)


def _copy_out(raw: socket.socket, theirs: socket.socket, streams: Collection[int]) -> None:
    reader = raw.makefile("rb")
    try:
        for stream, content in _frames(reader):
            if stream in streams:
                theirs.sendall(content)
    except OSError:
        pass
    finally:
        reader.close()
        _end(raw, theirs)


def _end(raw: socket.socket, theirs: socket.socket) -> None:
    for end in (theirs, raw):
        _shut_down(end)
        end.close()


def _shut_down(stream: socket.socket) -> None:
    """End a stream from another thread."""
    with contextlib.suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)
