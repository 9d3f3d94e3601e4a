"""This machine's own engine, where images are built; it need not be a host."""

from __future__ import annotations

import contextlib

from deploy_action.platforms.docker.engine import connect

__all__ = ["resolve_here"]


def resolve_here(reference: str, credentials: tuple[str, str] | None) -> str:
    """Ask a registry through this machine's engine for a reference's digest.

    Raises:
        DeploymentFailed: the registry has none or does not say, or there is no engine.
    """
    with contextlib.closing(connect("local")) as engine:
        return engine.resolve(reference, credentials)[0]
