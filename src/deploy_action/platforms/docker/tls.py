"""The certificate of an environment on a host: installed before the switch, verified after it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from deploy_action.config.urls import without_dot
from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.edge.certificates import (
    install,
    remove_others,
    served_fingerprint,
    served_until,
)
from deploy_action.platforms.docker.edge.upgrade import remove_ended

if TYPE_CHECKING:
    import socket

    from deploy_action.config.model import Route
    from deploy_action.platforms.docker.edge.certificates import Bundle
    from deploy_action.platforms.docker.edge.state import Backend
    from deploy_action.platforms.docker.host import Host

__all__ = [
    "certificate_expiry",
    "install_certificate",
    "remove_unused",
    "renew_certificate",
    "verify_served_certificate",
    "with_certificate",
]

_PROOF_SECONDS = 5.0
_POLL_SECONDS = 0.05


def install_certificate(host: Host, bundle: Bundle | None) -> str:
    """Put the bundle into the host's state volume; return its path there, empty without one."""
    return "" if bundle is None else install(host.session, host.backend, bundle)


def with_certificate(backend: Backend | None, certificate: str) -> Backend | None:
    """Return a backend with this certificate; the one that it has stays where there is no new."""
    if backend is None or not certificate:
        return backend
    return dataclasses.replace(backend, certificate=certificate)


def verify_served_certificate(host: Host, route: Route | None, bundle: Bundle) -> Iterator[str]:
    """Shake hands with the edge as a client does, for each host name, and compare the certificate.

    Yields a note where another service of a host name answers with its own certificate.

    Raises:
        DeploymentFailed: another certificate is answered, or none.
    """
    if route is not None and route.certificate is not None:
        for name in route.names:
            note = _verify_served(host, route.port, name, bundle)
            if note:
                yield note


def _verify_served(host: Host, port: int, name: str, bundle: Bundle) -> str:
    deadline = host.clock.monotonic() + _PROOF_SECONDS
    while True:
        # A reload hands the port over; until then an old worker may still answer.
        seen = _served(host, port, name)
        if seen == bundle.fingerprint:
            return ""
        if host.clock.monotonic() >= deadline:
            break
        host.clock.sleep(_POLL_SECONDS)
    others = [
        backend.name
        for backend in host.edge.state().backends.values()
        if backend.name != host.backend
        and backend.port == port
        and backend.certificate
        and without_dot(name) in map(without_dot, backend.names)
    ]
    if others:
        return (
            f"{name or 'every host name'} is answered with the certificate that "
            f"{', '.join(others)} brought: deploy it with the new one too"
        )
    raise DeploymentFailed(
        f"{host.name}: the edge does not answer with the new certificate on port {port} for "
        f"{name or 'every host name'}: its SHA-256 is {bundle.fingerprint[:16]}…, but {seen[:80]}",
        remedy=f"openssl s_client -connect HOST:{port} -servername {name or 'NAME'}",
        code=ErrorCode.CERTIFICATE_NOT_SERVED,
    )


def _served(host: Host, port: int, name: str) -> str:
    """Return the fingerprint that a client is shown, or in words why it is shown none."""
    try:
        connection = host.dialer.dial(host.public_address(), port, _PROOF_SECONDS)
        return served_fingerprint(connection, host=name)
    except (DeploymentFailed, OSError) as error:
        return str(error)


def certificate_expiry(host: Host, route: Route) -> float:
    """Shake hands with the edge as a client does, for each host name; return when the first
    certificate expires.

    Returns seconds since the epoch.

    Raises:
        DeploymentFailed, OSError: the edge does not answer, or not with a valid certificate.
    """

    def dial() -> socket.socket:
        return host.dialer.dial(host.public_address(), route.port, _PROOF_SECONDS)

    return min(served_until(dial, host=name) for name in route.names)


def renew_certificate(host: Host, route: Route | None, bundle: Bundle | None) -> Iterator[str]:
    """Have the edge answer with a new certificate while the release stays; yield what was done."""
    backend = host.edge.backend(host.backend)
    if bundle is None or backend is None or backend.certificate == bundle.path(host.backend):
        return
    host.edge.configure(host.backend, certificate=install(host.session, host.backend, bundle))
    notes = tuple(verify_served_certificate(host, route, bundle))
    yield f"{host.name}: the edge answers with the new certificate"
    yield from (f"{host.name}: {note}" for note in notes)
    remove_unused(host, certificates=True)


def remove_unused(host: Host, *, certificates: bool) -> None:
    """Remove old edges that have ended and, if asked, certificates that the backend does not use."""
    remove_ended(host.engine, host.placement.edge)
    if certificates:
        backend = host.edge.backend(host.backend)
        remove_others(
            host.session, f"certs/{host.backend}", "" if backend is None else backend.certificate
        )
