"""The certificate of an environment on a host: brought before the switch, proved after it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from deploy_action.errors import DeploymentFailed
from deploy_action.platforms.docker.edge.certificates import install, served_fingerprint, sweep
from deploy_action.platforms.docker.edge.upgrade import sweep_ended

if TYPE_CHECKING:
    from deploy_action.config.model import Route
    from deploy_action.platforms.docker.edge.certificates import Bundle
    from deploy_action.platforms.docker.edge.state import Backend
    from deploy_action.platforms.docker.host import Host

__all__ = [
    "install_certificate",
    "remove_unused",
    "renew_certificate",
    "verify_served_certificate",
    "with_certificate",
]

_PROOF_SECONDS = 5.0
_POLL_SECONDS = 0.05


def install_certificate(site: Host, bundle: Bundle | None) -> str:
    """Have the bundle in the host's state volume; return its path there, empty without one."""
    return "" if bundle is None else install(site.session, site.backend, bundle)


def with_certificate(backend: Backend | None, certificate: str) -> Backend | None:
    """Return a backend with this certificate; the one that it has stays where there is no new."""
    if backend is None or not certificate:
        return backend
    return dataclasses.replace(backend, certificate=certificate)


def verify_served_certificate(site: Host, bundle: Bundle) -> str:
    """Shake hands with the edge as a client does and compare the certificate.

    Returns a note where another service of this host name answers with its own certificate.

    Raises:
        DeploymentFailed: another certificate is answered, or none.
    """
    route = site.environment.route
    if route is None or route.certificate is None:
        return ""
    deadline = site.clock.monotonic() + _PROOF_SECONDS
    while True:
        # A reload hands the port over; until then the worker before may still answer.
        seen = _served(site, route)
        if seen == bundle.fingerprint:
            return ""
        if site.clock.monotonic() >= deadline:
            break
        site.clock.sleep(_POLL_SECONDS)
    others = [
        backend.name
        for backend in site.edge.state().backends.values()
        if backend.name != site.backend
        and (backend.port, backend.host) == (route.port, route.host)
        and backend.certificate
    ]
    if others:
        return (
            f"{route.host or 'every host name'} is answered with the certificate that "
            f"{', '.join(others)} brought: deploy it with the new one too"
        )
    raise DeploymentFailed(
        f"{site.host}: the edge does not answer with the new certificate on port {route.port}: its "
        f"SHA-256 is {bundle.fingerprint[:16]}…, but {seen[:80]}",
        remedy=f"openssl s_client -connect HOST:{route.port} -servername {route.host or 'NAME'}",
    )


def _served(site: Host, route: Route) -> str:
    """Return the fingerprint that a client is shown, or in words why it is shown none."""
    try:
        connection = site.dialer.dial(site.public_address(), route.port, _PROOF_SECONDS)
        return served_fingerprint(connection, host=route.host)
    except (DeploymentFailed, OSError) as error:
        return str(error)


def renew_certificate(site: Host, bundle: Bundle | None) -> Iterator[str]:
    """Have the edge answer with a new certificate while the release stays; yield what was done."""
    backend = site.edge.backend(site.backend)
    if bundle is None or backend is None or backend.certificate == bundle.path(site.backend):
        return
    site.edge.present(site.backend, certificate=install(site.session, site.backend, bundle))
    note = verify_served_certificate(site, bundle)
    yield f"{site.host}: the edge answers with the new certificate"
    if note:
        yield f"{site.host}: {note}"
    remove_unused(site)


def remove_unused(site: Host) -> None:
    """Remove what nothing uses any more: certificates of this environment, edges of before."""
    route = site.environment.route
    sweep_ended(site.engine, site.environment.edge)
    if route is not None and route.certificate is not None:
        backend = site.edge.backend(site.backend)
        sweep(site.session, f"certs/{site.backend}", "" if backend is None else backend.certificate)
