"""The machines that run containers, behind one protocol."""

from __future__ import annotations

from deploy_action.platforms.docker.engine.protocol import Engine

__all__ = ["Engine", "connect"]


def connect(host: str) -> Engine:
    """Connect to a host that deploy.yaml names.

    Args:
        host: ``local``, ``unix:///path``, ``tcp://host:port`` or ``ssh://[user@]host[:port]``.

    Raises:
        BadInput: the address is malformed.
        HostUnreachable: nothing answers there.
    """
    from deploy_action.platforms.docker.engine.docker import DockerEngine
    from deploy_action.platforms.docker.engine.transport import open_transport

    transport = open_transport(host)
    try:
        return DockerEngine(host, transport)
    except BaseException:
        transport.close()
        raise
