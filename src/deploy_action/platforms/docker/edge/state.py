"""What the edge of a host should do: every backend, its servers and their weights."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from deploy_action.config.model import Health, Route, Sticky

__all__ = [
    "Backend",
    "Check",
    "EdgeState",
    "Server",
    "ServerStatus",
    "as_backup",
    "backend_from_json",
    "backend_name",
    "plain_socket",
    "sorted_servers",
]

_WARM = "-warm"
_FETCHES = {"cookie": "cook", "header": "hdr"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One replica behind the edge; weight 0 gets no new request."""

    name: str
    address: str
    port: int
    weight: int
    check: bool = True
    release: str = ""
    backup: bool = False
    """Gets requests only while no other server can take any."""


def as_backup(server: Server) -> Server:
    """Return a second entry for a server that has handed its traffic over and still runs.

    A weight of 0 takes a server out even where no other is left, and HAProxy cannot make an
    existing server a backup: so there are two entries for one replica, for a while.
    """
    return dataclasses.replace(
        server, name=f"{server.name}{_WARM}", weight=100, check=False, backup=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How the edge itself watches a backend's servers, all times in milliseconds."""

    kind: Literal["http", "tcp"]
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    interval: int = 100
    timeout: int = 2000
    successes: int = 2
    failures: int = 3

    @classmethod
    def of(cls, health: Health, host: str) -> Check:
        """Translate a configured health check; what HAProxy cannot do itself becomes a connect."""
        return cls(
            kind="http" if health.kind == "http" else "tcp",
            path=health.path,
            headers={"Host": host or "localhost"} | dict(health.headers),
            interval=max(1, round(health.interval_seconds * 1000)),
            timeout=max(1, round(health.timeout_seconds * 1000)),
            successes=health.successes,
            failures=health.failures,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One service in one environment as the edge sees it."""

    name: str
    protocol: Literal["http", "tcp"]
    host: str
    path: str
    port: int
    check: Check
    servers: tuple[Server, ...] = ()
    sticky: str = ""
    """What tells clients apart, as HAProxy fetches it ("req.cook(session)"); empty for nothing."""
    tls: bool = False
    """The edge itself ends TLS on this port."""
    certificate: str = ""
    """Path of the PEM bundle below the state volume, which belongs to the host, not to a release."""
    maintenance: str = ""
    """Path of the page that is answered instead of the service; empty while it is open."""

    @classmethod
    def of(
        cls,
        name: str,
        route: Route,
        protocol: Literal["http", "tcp"],
        check: Check,
        sticky: Sticky | None = None,
    ) -> Backend:
        """Make a backend without servers."""
        fetch = "" if sticky is None else f"req.{_FETCHES[sticky.kind]}({sticky.name})"
        return cls(
            name=name,
            protocol=protocol,
            host=route.host,
            path=route.path,
            port=route.port,
            check=check,
            sticky=fetch,
            tls=route.certificate is not None,
        )

    def keeping(self, old: Backend | None) -> Backend:
        """Take over what belongs to the host and not to a release: certificate and maintenance.

        The certificate stays known while a release without TLS serves, so that going back to one
        with TLS needs no key from anybody.
        """
        if old is None:
            return self
        return dataclasses.replace(
            self,
            certificate=self.certificate or old.certificate,
            maintenance=self.maintenance or old.maintenance,
        )

    @property
    def topology(self) -> Backend:
        """What only a reload can change: everything but the servers."""
        return dataclasses.replace(self, servers=())


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeState:
    """All backends of an edge, and the number that rises with every change.

    `edited` is true of a file that somebody else has changed since it was written.
    """

    generation: int = 0
    backends: Mapping[str, Backend] = field(default_factory=dict)
    edited: bool = False

    def with_backend(self, name: str, backend: Backend | None) -> EdgeState:
        """Return the next state, with one backend replaced or removed."""
        others = {
            backend_name: value
            for backend_name, value in self.backends.items()
            if backend_name != name
        }
        if backend is not None:
            others[name] = backend
        return EdgeState(generation=self.generation + 1, backends=others)

    def clash(self, wanted: Backend) -> str:
        """Say which other service makes it impossible to listen as wanted; empty if none does."""
        for other in self.backends.values():
            if other.name == wanted.name or other.port != wanted.port:
                continue
            if other.tls != wanted.tls:
                ours, theirs = ("with", "without") if wanted.tls else ("without", "with")
                return f"{other.name} listens on port {other.port} {theirs} TLS, not {ours} it"
            if "tcp" in (other.protocol, wanted.protocol):
                return f"{other.name} has port {other.port} already"
        return ""

    def to_json(self) -> Mapping[str, str]:
        """Write each backend as one line of JSON."""
        return {
            name: json.dumps(dataclasses.asdict(backend), sort_keys=True)
            for name, backend in sorted(self.backends.items())
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """What the edge says of one server: its counters since it was added."""

    name: str
    up: bool
    checked: bool
    """A check has passed; HAProxy counts a server as up before its first check."""
    last_check: str
    """The last check's result in HAProxy's words ("L4CON: Connection refused")."""
    weight: int
    sessions: int
    requests: int
    errors_5xx: int
    connection_errors: int
    response_milliseconds: int


def sorted_servers(servers: Iterable[Server]) -> tuple[Server, ...]:
    """Sort servers by name: two states that differ in nothing else are the same."""
    return tuple(sorted(servers, key=lambda server: server.name))


def backend_name(service: str, environment: str) -> str:
    """Name the backend of a service in an environment."""
    return f"{service}-{environment}"


def plain_socket(port: int) -> str:
    """Return where the edge takes an HTTP port's requests too, without TLS: for our own checks, and
    for what its processes from before a reload hand over."""
    return f"/state/run/edge-{port}.sock"


def backend_from_json(line: str) -> Backend:
    """Read what `EdgeState.to_json` wrote."""
    data = json.loads(line)
    return Backend(
        **{
            backend_name: value
            for backend_name, value in data.items()
            if backend_name not in ("check", "servers")
        },
        check=Check(**data["check"]),
        servers=tuple(Server(**server) for server in data["servers"]),
    )
