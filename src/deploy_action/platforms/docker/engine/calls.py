"""Calls to one host's Docker engine, with its complaints turned into ours."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable, Iterator
from typing import TypeVar

from deploy_action.errors import DeploymentFailed, HostUnreachable
from deploy_action.platforms.docker.engine.api import EngineApi, EngineApiError
from deploy_action.platforms.docker.engine.error_hints import distrust, explain, short
from deploy_action.platforms.docker.engine.transport import Transport

__all__ = ["DockerCalls"]

_Answer = TypeVar("_Answer")


class DockerCalls:
    """A connection to an engine, on which the parts of the protocol are built."""

    def __init__(self, host: str, transport: Transport) -> None:
        """Make sure that an engine answers at the other end of `transport`."""
        self.host = host
        self._transport = transport
        self._api = EngineApi(transport)
        with self._named("connect"):
            self._api.get("_ping")

    @contextlib.contextmanager
    def _named(self, doing: str) -> Iterator[None]:
        """Turn what goes wrong into our errors, with the host and the act named."""
        try:
            yield
        except EngineApiError as error:
            raise self._refused(doing, error.said) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(doing, error) from error

    def _refused(self, doing: str, said: str) -> DeploymentFailed:
        cause, remedy = explain(said)
        return DeploymentFailed(
            f"{self.host}: {doing}: {said}", cause=cause, remedy=remedy or "deploy-action doctor"
        )

    def _unreachable(self, doing: str, error: Exception) -> HostUnreachable:
        cause, remedy = distrust(str(error))
        return HostUnreachable(
            f"{self.host}: {doing}: the Docker engine does not answer ({short(error)})",
            cause=cause,
            remedy=remedy or "deploy-action doctor",
        )

    def close(self) -> None:
        """Close the connections and the transport."""
        self._api.close()
        self._transport.close()

    def _maybe(self, doing: str, call: Callable[[], _Answer]) -> _Answer | None:
        """Make a call about something that may not be there."""
        with self._named(doing):
            try:
                return call()
            except EngineApiError as error:
                if error.status != 404:
                    raise
                return None
