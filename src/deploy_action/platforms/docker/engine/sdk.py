"""The SDK's client, held to the authority of its own engine."""

from __future__ import annotations

from typing import Any

import docker
from docker.tls import TLSConfig

from deploy_action.platforms.docker.engine.transport import Transport

__all__ = ["connected"]

_CALL_SECONDS = 60


def connected(transport: Transport) -> docker.APIClient:
    """Return a client of the engine at the other end of `transport`; it asks for the version."""
    files = transport.tls()
    tls = TLSConfig(client_cert=files[:2], ca_cert=files[2], verify=True) if files else False
    return _Client(base_url=transport.base_url, tls=tls, timeout=_CALL_SECONDS)


class _Client(docker.APIClient):
    """A client that trusts DOCKER_CERT_PATH's ca.pem and nothing else.

    requests lets REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE replace a session's own authority where a
    request names none, so that an engine with a certificate of its own would be refused, and one
    with a public certificate taken.
    """

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Name the session's authority in every request."""
        wanted = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, wanted, cert)
