"""The certificate of an environment on a host: installed before the switch, verified after it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.edge.certificates import (
    install,
    remove_others,
    served_fingerprint,
    served_until,
)
from deploy_action.platforms.docker.edge.upgrade import remove_ended

if TYPE_CHECKING:
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


def verify_served_certificate(host: Host, route: Route | None, bundle: Bundle) -> str:
    """Shake hands with the edge as a client does and compare the certificate.

    Returns a note where another service of this host name answers with its own certificate.

    Raises:
        DeploymentFailed: another certificate is answered, or none.
    """
    if route is None or route.certificate is None:
        return ""
    deadline = host.clock.monotonic() + _PROOF_SECONDS
    while True:
        # A reload hands the port over; until then an old worker may still answer.
        seen = _served(host, route)
        if seen == bundle.fingerprint:
            return ""
        if host.clock.monotonic() >= deadline:
            break
        host.clock.sleep(_POLL_SECONDS)
    others = [
        backend.name
        for backend in host.edge.state().backends.values()
        if backend.name != host.backend
        and (backend.port, backend.host) == (route.port, route.host)
        and backend.certificate
    ]
    if others:
        return (
            f"{route.host or 'every host name'} is answered with the certificate that "
            f"{', '.join(others)} brought: deploy it with the new one too"
        )
    raise DeploymentFailed(
        f"{host.name}: the edge does not answer with the new certificate on port {route.port}: its "
        f"SHA-256 is {bundle.fingerprint[:16]}…, but {seen[:80]}",
        remedy=f"openssl s_client -connect HOST:{route.port} -servername {route.host or 'NAME'}",
        code=ErrorCode.CERTIFICATE_NOT_SERVED,
    )


def _served(host: Host, route: Route) -> str:
    """Return the fingerprint that a client is shown, or in words why it is shown none."""
    try:
        connection = host.dialer.dial(host.public_address(), route.port, _PROOF_SECONDS)
        return served_fingerprint(connection, host=route.host)
    except (DeploymentFailed, OSError) as error:
        return str(error)


def certificate_expiry(host: Host, route: Route) -> float:
    """Shake hands with the edge as a client does; return when its certificate expires.

    Returns seconds since the epoch.

    Raises:
        DeploymentFailed, OSError: the edge does not answer, or not with a valid certificate.
    """
    return served_until(
        lambda: host.dialer.dial(host.public_address(), route.port, _PROOF_SECONDS),
        host=route.host,
    )


def renew_certificate(host: Host, route: Route | None, bundle: Bundle | None) -> Iterator[str]:
    """Have the edge answer with a new certificate while the release stays; yield what was done."""
    backend = host.edge.backend(host.backend)
    if bundle is None or backend is None or backend.certificate == bundle.path(host.backend):
        return
    host.edge.configure(host.backend, certificate=install(host.session, host.backend, bundle))
    note = verify_served_certificate(host, route, bundle)
    yield f"{host.name}: the edge answers with the new certificate"
    if note:
        yield f"{host.name}: {note}"
    remove_unused(host, certificates=True)


def remove_unused(host: Host, *, certificates: bool) -> None:
    """Remove old edges that have ended and, if asked, certificates that the backend does not use."""
    remove_ended(host.engine, host.placement.edge)
    if certificates:
        backend = host.edge.backend(host.backend)
        remove_others(
            host.session, f"certs/{host.backend}", "" if backend is None else backend.certificate
        )
