"""Which certificate a command brings to the hosts, and when it needs none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.errors import BadInput, ErrorCode

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.docker.edge.certificates import Bundle
    from deploy_action.platforms.docker.observation import DockerObservation

__all__ = ["certificate_of", "missing_certificate"]


def certificate_of(environment: Environment, inputs: Inputs) -> Bundle | None:
    """Return the environment's certificate, proved; None where the edge does not end TLS.

    Raises:
        BadInput: it is not there or cannot be used.
    """
    route = environment.route
    if route is None or route.certificate is None:
        return None
    from deploy_action.platforms.docker.edge import certificates

    return certificates.read_bundle(route.certificate, inputs, hosts=route.names)


def missing_certificate(
    restored: Environment, today: Environment, seen: DockerObservation, inputs: Inputs
) -> Bundle | None:
    """Return the certificate only where a host has none: a rollback must not depend on a key.

    Args:
        restored: the configuration that comes back; a host wrote down where its certificate is.
        today: what deploy.yaml says: only the file or variable that it names is read.

    Raises:
        BadInput: a host has none, and none was given that can be used.
    """
    wanted = restored.route is not None and restored.route.certificate is not None
    installed = [host.backend is not None and host.backend.certificate for host in seen.hosts]
    if not wanted or all(installed):
        return None
    if today.route is None or today.route.certificate is None:
        raise BadInput(
            "the release to be restored has a certificate, of which a host has no copy, and "
            "deploy.yaml names none",
            remedy="name it in deploy.yaml: route.certificate",
            code=ErrorCode.CERTIFICATE_INVALID,
        )
    return certificate_of(today, inputs)
