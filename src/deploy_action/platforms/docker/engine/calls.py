"""Calls to one host's Docker engine, with its errors translated into ours."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable, Iterator
from typing import TypeVar

from deploy_action.errors import HostUnreachable
from deploy_action.platforms.docker.engine.api import EngineApi, EngineApiError
from deploy_action.platforms.docker.engine.error_hints import engine_error, shorten, tls_hint
from deploy_action.platforms.docker.engine.transport import Transport

__all__ = ["DockerCalls"]

T = TypeVar("T")


class DockerCalls:
    """A connection to an engine; images, containers, networks and streams call it through this."""

    def __init__(self, host: str, transport: Transport) -> None:
        """Confirm that an engine answers at the other end of `transport`."""
        self.host = host
        self._transport = transport
        self._api = EngineApi(transport)
        with self._errors("connect"):
            self._api.get("_ping")

    def close(self) -> None:
        """Close the connections and the transport."""
        self._api.close()
        self._transport.close()

    @contextlib.contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        """Translate errors, with the host and the action named."""
        try:
            yield
        except EngineApiError as error:
            raise engine_error(self.host, doing, error.message) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(doing, error) from error

    def _unreachable(self, doing: str, error: Exception) -> HostUnreachable:
        hint = tls_hint(str(error))
        return HostUnreachable(
            f"{self.host}: {doing}: the Docker engine does not answer ({shorten(error)})",
            cause=hint.cause,
            remedy=hint.remedy or "deploy-action doctor",
        )

    def _optional(self, doing: str, call: Callable[[], T]) -> T | None:
        """Make a call about something that may be absent; None when it is."""
        with self._errors(doing):
            try:
                return call()
            except EngineApiError as error:
                if error.status != 404:
                    raise
                return None
