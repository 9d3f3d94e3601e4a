"""How answers through an edge show who gave them: what the checks expect of a backend."""

from __future__ import annotations

from deploy_action.checks.served_by import ServedBy
from deploy_action.platforms.docker.edge.render import PROBE_HEADER, SERVED_BY_HEADER
from deploy_action.platforms.docker.edge.state import Backend

__all__ = ["served_by"]


def served_by(backend: Backend, release: str = "", *, name: str | None = None) -> ServedBy | None:
    """Return what shows that a backend answered; None where the edge does not speak HTTP.

    Args:
        release: id of the release one of whose replicas must answer; empty for any.
        name: the host name that is asked; the backend's first where it is None.
    """
    if backend.protocol != "http" or not backend.probe_token:
        return None
    return ServedBy(
        request_headers={PROBE_HEADER: backend.probe_token},
        answer_header=SERVED_BY_HEADER,
        backend=backend.name,
        servers=frozenset(s.name for s in backend.servers if release and s.release == release),
        place=backend.address(name),
    )
