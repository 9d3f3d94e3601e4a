"""Calls to one host's Docker engine through the SDK, with its complaints turned into ours."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from deploy_action.engines.translation import distrust, explain, short
from deploy_action.engines.transport import Transport
from deploy_action.errors import DeploymentFailed, HostUnreachable

__all__ = ["DockerCalls"]

_CALL_SECONDS = 60


class DockerCalls:
    """A connection to an engine, on which the parts of the protocol are built."""

    def __init__(self, host: str, transport: Transport) -> None:
        """Connect the SDK's client over `transport`; no request is made but the version's."""
        from docker.tls import TLSConfig

        from deploy_action.engines.client import Client

        self.host = host
        self._transport = transport
        files = transport.tls()
        tls = TLSConfig(client_cert=files[:2], ca_cert=files[2], verify=True) if files else False
        with self._named("connect"):
            self._api: Any = Client(
                base_url=transport.base_url, tls=tls, timeout=_CALL_SECONDS, num_pools=16
            )

    @contextlib.contextmanager
    def _named(self, doing: str) -> Iterator[None]:
        """Turn what the SDK raises into our errors, with the host and the act named."""
        import docker.errors
        import requests.exceptions

        try:
            yield
        except docker.errors.APIError as error:
            raise self._refused(doing, error.explanation or str(error)) from error
        except (
            requests.exceptions.RequestException,
            docker.errors.DockerException,
            OSError,
        ) as error:
            cause, remedy = distrust(str(error))
            raise HostUnreachable(
                f"{self.host}: {doing}: the Docker engine does not answer ({short(error)})",
                cause=cause,
                remedy=remedy or "deploy-action doctor",
            ) from error

    def _refused(self, doing: str, said: str) -> DeploymentFailed:
        cause, remedy = explain(said)
        return DeploymentFailed(
            f"{self.host}: {doing}: {said}", cause=cause, remedy=remedy or "deploy-action doctor"
        )

    def close(self) -> None:
        """Close the client and the transport."""
        self._api.close()
        self._transport.close()

    def _maybe(self, doing: str, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        import docker.errors

        with self._named(doing):
            try:
                return call(*args, **options)
            except docker.errors.NotFound:
                return None
