"""Allocates the addresses of new replicas on their environment's network, also for many at once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from deploy_action.errors import DeploymentFailed
from deploy_action.platforms.docker.edge.host import free_addresses
from deploy_action.platforms.docker.engine.protocol import Engine

__all__ = ["IpAllocator"]


@dataclass(slots=True)
class IpAllocator:
    """Allocates each address of a host once; an allocated one may not show in the engine yet.

    Attributes:
        subnet: the one of the environment's network; empty where there is none.
    """

    subnet: str = ""
    _allocated: set[str] = field(default_factory=set)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def allocate(self, engine: Engine, network: str) -> str:
        """Return an address that no container has or will have when it is started again.

        Raises:
            DeploymentFailed: there is none.
        """
        with self._guard:
            used = engine.addresses(network) | self._allocated
            free = free_addresses(self.subnet, used) if self.subnet else ()
            address = next(iter(free), None)
            if address is None:
                raise DeploymentFailed(
                    f"{engine.host}: the network {network} has no free address",
                    remedy=f"docker network inspect {network}; fewer kept releases (retain) or "
                    "replicas free some",
                )
            self._allocated.add(address)
            return address
