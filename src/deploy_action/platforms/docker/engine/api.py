"""The Docker Engine's HTTP API over any transport: JSON in, JSON out, connections kept.

A deployment begins with these calls and makes some forty. The Docker SDK needs a tenth of a second
before its first and a millisecond for each, which is why it is left to what only it knows: registries
and their credentials, builds, archives of images (platforms/docker/engine/images.py).

Source: Docker Engine API 1.41 (https://docs.docker.com/reference/api/engine/). Without a version in
the path an engine answers by its newest, as the SDK asks it to.
"""

from __future__ import annotations

import http.client
import json
import select
import socket
import threading
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from deploy_action.platforms.docker.engine.transport import Transport

__all__ = ["EngineApi", "EngineApiError"]

_SECONDS = 60.0


class EngineApiError(Exception):
    """The engine answered with an error: its status, and its own words."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status
        self.said = said


class _Connection(http.client.HTTPConnection):
    """A connection that the transport opens."""

    def __init__(self, transport: Transport) -> None:
        super().__init__("docker")
        self._transport = transport

    def connect(self) -> None:
        self.sock = self._transport.open()


class EngineApi:
    """Calls to one engine, from any number of threads."""

    def __init__(self, transport: Transport) -> None:
        """Open nothing yet."""
        self.server = ""
        """How the engine named itself in its last answer."""
        self._transport = transport
        self._idle: list[_Connection] = []
        self._left: list[_Connection] = []
        self._guard = threading.Lock()

    def close(self) -> None:
        """Close the connections that wait for a next call."""
        with self._guard:
            unused, self._idle, self._left = [*self._idle, *self._left], [], []
        for connection in unused:
            connection.close()

    def get(self, *path: str, **query: Any) -> Any:
        """Ask for something; parameters as for `call`."""
        return self.call("GET", *path, **query)

    def post(self, *path: str, body: object = None, seconds: float = _SECONDS, **query: Any) -> Any:
        """Have something done; parameters as for `call`."""
        return self.call("POST", *path, body=body, seconds=seconds, **query)

    def call(
        self,
        method: str,
        *path: str,
        body: object = None,
        seconds: float = _SECONDS,
        **query: Any,
    ) -> Any:
        """Make one call and return its answer: JSON as values, anything else as bytes.

        Args:
            path: its parts; each is quoted, but for the slashes and colons of images' names.
            body: sent as JSON.
            seconds: how long the engine may be silent.
            query: dictionaries are sent as JSON, as the API takes filters.

        Raises:
            EngineApiError: the engine answered with an error.
            OSError, http.client.HTTPException: it did not answer.
        """
        target = _target(path, query)
        payload = None if body is None else json.dumps(body)
        headers = {} if payload is None else {"Content-Type": "application/json"}
        request = (method, target, payload, headers)
        kept = self._kept()
        try:
            answer, content = self._exchange(kept or self._new(), seconds, *request)
        except ConnectionError:
            # A connection may be ended while a call is on its way. To ask again is safe.
            if kept is None or method != "GET":
                raise
            answer, content = self._exchange(self._new(), seconds, *request)
        if answer.status >= 400:
            raise EngineApiError(answer.status, _explanation(content))
        if content and answer.headers.get_content_type() == "application/json":
            return json.loads(content)
        return content

    def leave(self, *path: str, **query: Any) -> None:
        """Have something done whose answer nobody waits for; parameters as for `call`.

        It has reached the engine once a later call was answered: over ssh a connection that is open
        needs no round trip before it carries something, and what is sent stays in order.

        Raises:
            OSError: it could not be sent.
        """
        connection = self._kept() or self._new()
        if connection.sock is None:
            connection.connect()
        connection.sock.settimeout(_SECONDS)
        connection.request("POST", _target(path, query))
        with self._guard:
            self._left.append(connection)

    def _exchange(
        self, connection: _Connection, seconds: float, *request: Any
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Make a call on a connection, and keep that for the next if the call ended well."""
        try:
            if connection.sock is None:
                connection.connect()
            connection.sock.settimeout(seconds)
            connection.request(*request)
            answer = connection.getresponse()
            content = answer.read()
            self.server = answer.headers.get("Server", "")
        except BaseException:
            connection.close()
            raise
        with self._guard:
            self._idle.append(connection)
        return answer, content

    def _new(self) -> _Connection:
        return _Connection(self._transport)

    def _kept(self) -> _Connection | None:
        while True:
            with self._guard:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if connection.sock is not None and not _ended(connection.sock):
                return connection
            connection.close()


def _ended(connection: socket.socket) -> bool:
    """Tell whether the other side has closed it: nothing else can be there to read."""
    waiting = select.poll()
    waiting.register(connection, select.POLLIN)
    return bool(waiting.poll(0))


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


def _explanation(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"]).strip()
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace").strip()
