"""What a check asks, a replica or the edge, and how it connects there."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from deploy_action.checks.beside import Beside, Ended
from deploy_action.checks.dialer import Dialer, require_allowed
from deploy_action.checks.served_by import ServedBy

__all__ = ["DEFAULT_PORTS", "Target", "is_below"]

DEFAULT_PORTS = {"http": 80, "https": 443}


def is_below(path: str, route_path: str) -> bool:
    """Tell whether the edge sends requests for a path to a service that has a route's path."""
    route = route_path.rstrip("/")
    return path.partition("?")[0] == route or path.startswith((f"{route}/", f"{route}?"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One place that answers.

    Attributes:
        where: as people call it ("replica 1 on web-1", "edge").
        address: the IP address or ``unix:PATH`` that the dialer connects to; host names and
            certificates do not depend on it.
        host_header: ``name`` or ``name:port``, also the name that a certificate must have;
            the address when empty.
        base_path: put before every path ("/shop").
        ca_file: trusted instead of the public authorities.
        run_command: runs an argument list in the container within seconds and returns exit code
            and output; raises TimeoutError. None for the edge.
        run_beside: runs a program in a container on the replica's network, within seconds. None where
            nothing may be started.
        served_by: how answers through the edge show who gave them; None for a replica.
        route_path: requests below another path reach another service.
    """

    where: str
    dialer: Dialer
    address: str
    port: int
    scheme: Literal["http", "https"] = "http"
    host_header: str = ""
    base_path: str = ""
    ca_file: str | None = None
    run_command: Callable[[Sequence[str], float], tuple[int, str]] | None = None
    run_beside: Callable[[Beside, float], Ended] | None = None
    served_by: ServedBy | None = None
    route_path: str = "/"

    @property
    def authority(self) -> str:
        """The part of a URL between ``//`` and the path."""
        if self.host_header:
            return self.host_header
        host = f"[{self.address}]" if ":" in self.address else self.address
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def url(self, path: str) -> str:
        """Return the URL of a path; the path can never change the host."""
        base = self.base_path.strip("/")
        rest = path if path.startswith("/") else f"/{path}"
        return f"{self.scheme}://{self.authority}{f'/{base}' if base else ''}{rest}"

    def reaches(self, path: str) -> bool:
        """Tell whether a request for a path gets to the service."""
        return is_below(path, self.route_path)

    def dial(self, port: int, timeout_seconds: float) -> socket.socket:
        """Connect to a port of the address.

        Raises:
            AddressNotAllowed: checks must not connect there, whatever the dialer is.
            OSError: the connection failed.
        """
        require_allowed(self.address)
        return self.dialer.dial(self.address, port, timeout_seconds)
