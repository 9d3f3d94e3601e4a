"""What load to send, and to whom it may be sent."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from deploy_action.errors import BadInput

__all__ = ["Load", "resolve"]

_MAX_WORKERS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much of what is sent, and what a good answer is.

    Attributes:
        keep_alive, new, post, slow: workers of each kind; each has one request under way.
        post_path: must answer a POST with the body that was sent.
        post_echo: False when a complete 2xx is all that `post_path` is asked for.
        slow_path: is asked with `timeout_seconds` on top of `slow_seconds`.
        rate: at most so many requests a second in all; None is as fast as answers come.
        max_seconds, max_requests: when it ends by itself; there is no load without end.
        host_header: the name that is asked for, also in TLS; the URL's when empty.
        version_header, version_json: where an answer says its version: a header, or else a path
            in its JSON body.
        contains: what every GET's body must hold.
        allow_remote: without it only this machine's own addresses are loaded.
    """

    keep_alive: int = 4
    new: int = 2
    post: int = 0
    slow: int = 0
    post_path: str = "/echo"
    post_echo: bool = True
    slow_path: str = "/slow?seconds=5"
    slow_seconds: float = 5.0
    timeout_seconds: float = 10.0
    rate: float | None = None
    max_seconds: float = 600.0
    max_requests: int = 1_000_000
    host_header: str = ""
    version_header: str = "X-Version"
    version_json: str = ""
    contains: bytes = b""
    ca_file: str | None = None
    allow_remote: bool = False

    def __post_init__(self) -> None:
        """Refuse a load that sends nothing or cannot be."""
        workers = (self.keep_alive, self.new, self.post, self.slow)
        if min(workers) < 0 or not 0 < sum(workers) <= _MAX_WORKERS:
            raise BadInput(f"a load has 1 to {_MAX_WORKERS} workers, not {sum(workers)}")
        if self.rate is not None and self.rate <= 0:
            raise BadInput(f"a rate of {self.rate} requests a second is none")


def resolve(host: str, port: int, load: Load) -> str:
    """Look the name up once: the load is about the server, not about a resolver."""
    try:
        address = str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise BadInput(f"{host}: the name does not resolve") from error
    if not load.allow_remote and not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        raise BadInput(
            f"{host}: refusing to load another machine",
            cause=f"{address} is not an address of this machine's own",
            remedy="say so if you may: allow_remote, or --allow-remote",
        )
    return address
