"""The maintenance page that a host's edge answers with instead of the service."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from deploy_action.errors import DeploymentFailed
from deploy_action.platforms.docker.edge.certificates import remove_others

if TYPE_CHECKING:
    from deploy_action.platforms.docker.host import Host

__all__ = ["set_maintenance"]


def set_maintenance(host: Host, page: bytes) -> bool:
    """Answer with a page, or open the service again where it is empty; return whether it changed.

    The page is written before the edge is told, and older pages are removed afterwards.
    """
    backend = host.edge.backend(host.backend)
    if backend is None:
        raise DeploymentFailed(
            f"{host.name}: the edge does not know {host.backend}",
            remedy=f"deploy-action drift -e {host.placement.environment}",
        )
    directory = f"pages/{host.backend}"
    path = f"{directory}/{hashlib.sha256(page).hexdigest()[:16]}.html" if page else ""
    if path == backend.maintenance:
        return False
    if path:
        host.session.put(path, page)
    host.edge.configure(host.backend, maintenance=path)
    remove_others(host.session, directory, path)
    return True
