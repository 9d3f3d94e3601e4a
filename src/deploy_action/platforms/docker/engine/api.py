"""The Docker Engine's HTTP API over any transport: JSON in, JSON out, connections kept.

A deployment makes some forty of these calls. The Docker SDK takes 0.1 s to import and is only used
for what it alone knows: registries and their credentials, builds, archives of images (images.py).

Source: Docker Engine API 1.41 (https://docs.docker.com/reference/api/engine/). Without a version in
the path an engine uses its newest.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import socket
import threading
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote, urlencode

from deploy_action.budget import BoundedStream
from deploy_action.platforms.docker.engine.transport import Transport

__all__ = ["EngineApi", "EngineApiError"]

_SECONDS = 60.0
_SIZE = 1 << 26
_CHUNK = 65536


class EngineApiError(Exception):
    """The engine answered with an error: HTTP status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class _Connection(http.client.HTTPConnection):
    """A connection that the transport opens. Each answer has `seconds` in all."""

    def __init__(self, transport: Transport) -> None:
        super().__init__("docker")
        self.seconds = _SECONDS
        self._transport = transport
        self.response_class = self._bounded  # type: ignore[assignment]

    def _bounded(self, sock: socket.socket, **options: Any) -> http.client.HTTPResponse:
        stream = BoundedStream(sock, seconds=self.seconds, size=_SIZE)
        return http.client.HTTPResponse(cast("socket.socket", stream), **options)

    def connect(self) -> None:
        self.sock = self._transport.open()


class EngineApi:
    """Calls to one engine, from any number of threads."""

    def __init__(self, transport: Transport) -> None:
        self.server = ""
        """The Server header of the last response."""
        self._transport = transport
        self._idle: list[_Connection] = []
        self._unanswered: list[_Connection] = []
        self._guard = threading.Lock()

    def close(self) -> None:
        """Close all connections."""
        with self._guard:
            unused = [*self._idle, *self._unanswered]
            self._idle, self._unanswered = [], []
        for connection in unused:
            connection.close()

    def get(self, *path: str, **query: Any) -> Any:
        """Send a GET request; parameters as for `call`."""
        return self.call("GET", *path, **query)

    def post(self, *path: str, body: object = None, seconds: float = _SECONDS, **query: Any) -> Any:
        """Send a POST request; parameters as for `call`."""
        return self.call("POST", *path, body=body, seconds=seconds, **query)

    def call(
        self,
        method: str,
        *path: str,
        body: object = None,
        seconds: float = _SECONDS,
        limit: int | None = None,
        **query: Any,
    ) -> Any:
        """Make one call and return the response's content: JSON decoded, anything else as bytes.

        Args:
            path: its parts; each is quoted, except for the slashes and colons of image names.
            body: bytes are sent as a tar archive, anything else as JSON.
            seconds: until the engine has answered, to the last byte.
            limit: bytes of the content; the rest is not read.
            query: a mapping, such as filters, is sent as JSON.

        Raises:
            EngineApiError: the engine answered with an error.
            OSError, http.client.HTTPException: it did not answer.
        """
        target = _target(path, query)
        payload, headers = _content(body)
        request = (limit, method, target, payload, headers)
        idle = self._take_idle()
        try:
            response, content = self._exchange(idle or self._new(), seconds, *request)
        except ConnectionError:
            # The engine may close an idle connection while a call is on its way; a GET is safe to
            # repeat.
            if idle is None or method != "GET":
                raise
            response, content = self._exchange(self._new(), seconds, *request)
        if response.status >= 400:
            raise EngineApiError(response.status, _message(content))
        if content and response.headers.get_content_type() == "application/json":
            return json.loads(content)
        return content

    def post_async(self, *path: str, **query: Any) -> None:
        """Send a POST request and do not wait for the response; parameters as for `call`.

        The request has reached the engine once a later call is answered: over ssh an open connection
        carries it without another round trip, and in order.

        Raises:
            OSError: it could not be sent.
        """
        connection = self._take_idle() or self._new()
        if connection.sock is None:
            connection.connect()
        connection.sock.settimeout(_SECONDS)
        connection.request("POST", _target(path, query))
        with self._guard:
            self._unanswered.append(connection)

    def _exchange(
        self, connection: _Connection, seconds: float, limit: int | None, *request: Any
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Make a call on a connection, and keep it for the next call unless this one failed."""
        try:
            if connection.sock is None:
                connection.connect()
            connection.seconds = seconds
            connection.sock.settimeout(seconds)
            connection.request(*request)
            response = connection.getresponse()
            with contextlib.closing(response):
                content = _read(response, limit)
                complete = response.isclosed()
            self.server = response.headers.get("Server", "")
        except BaseException:
            connection.close()
            raise
        if complete:
            with self._guard:
                self._idle.append(connection)
        else:
            connection.close()
        return response, content

    def _new(self) -> _Connection:
        return _Connection(self._transport)

    def _take_idle(self) -> _Connection | None:
        while True:
            with self._guard:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if connection.sock is not None and not _closed(connection.sock):
                return connection
            connection.close()


def _read(response: http.client.HTTPResponse, limit: int | None) -> bytes:
    """Read a body in pieces: http.client would make room at once for as much as its head claims."""
    content = bytearray()
    while limit is None or len(content) < limit:
        piece = response.read(_CHUNK if limit is None else min(_CHUNK, limit - len(content)))
        if not piece:
            break
        content += piece
    if response.length and (limit is None or len(content) < limit):
        raise http.client.IncompleteRead(bytes(content), response.length)
    return bytes(content)


def _content(body: object) -> tuple[str | bytes | None, Mapping[str, str]]:
    match body:
        case None:
            return None, {}
        case bytes():
            return body, {"Content-Type": "application/x-tar"}
        case _:
            return json.dumps(body), {"Content-Type": "application/json"}


def _closed(connection: socket.socket) -> bool:
    """Tell whether the engine has closed an idle connection: nothing else makes it readable."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _target(path: Sequence[str], query: Mapping[str, object]) -> str:
    target = "/" + "/".join(quote(part, safe="/:@") for part in path)
    if query:
        target += "?" + urlencode({key: _text(value) for key, value in query.items()})
    return target


def _text(value: object) -> str:
    match value:
        case bool():
            return "1" if value else "0"
        case Mapping():
            return json.dumps(value)
        case _:
            return str(value)


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"]).strip()
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace").strip()
