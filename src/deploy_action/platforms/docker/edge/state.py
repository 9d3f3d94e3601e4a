"""The desired state of a host's edge: every backend, its servers and their weights."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from deploy_action.config.model import Health, Route, Sticky, Timeouts
from deploy_action.config.urls import Place, place_of
from deploy_action.errors import ErrorCode

__all__ = [
    "STATE_FORMAT",
    "Backend",
    "Check",
    "Clash",
    "EdgeState",
    "Server",
    "ServerStatus",
    "again_socket",
    "as_backup",
    "backend_name",
    "kept_name",
    "name_socket",
    "owner_of",
    "plain_socket",
    "sorted_servers",
]

STATE_FORMAT = 1
_BACKUP = "-backup"
_SECONDS_TO_REPEAT = 30
"""HAProxy may need 11 s for its four attempts (`timeout connect` and the second between two)."""
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
    h2: bool = False
    """Speaks HTTP/2 without TLS, and no HTTP/1.1."""


def as_backup(server: Server) -> Server:
    """Return a second entry, a backup, for a server that no longer gets traffic and still runs.

    Weight 0 excludes a server even where no other is left, and HAProxy cannot make an existing
    server a backup, so that the replica has two entries for a while.
    """
    return dataclasses.replace(
        server, name=f"{server.name}{_BACKUP}", weight=100, check=False, backup=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How the edge checks a backend's servers; times in milliseconds."""

    kind: Literal["http", "tcp"]
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    interval: int = 100
    timeout: int = 2000
    successes: int = 2
    failures: int = 3

    @classmethod
    def of(cls, health: Health, host: str) -> Check:
        """Translate a configured health check; what HAProxy cannot do becomes a TCP check."""
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
    """One service in one environment as the edge sees it.

    Attributes:
        sticky: HAProxy's fetch that identifies a client ("req.cook(session)"); empty for none.
        tls: the edge terminates TLS on this port.
        certificate: path of the PEM bundle below the state volume; it belongs to the host, not to
            a release.
        maintenance: path of the page that is served instead of the service; empty while it is open.
        probe_token: a request that carries it is answered with the name of the server that answered.
        trusted_proxies: networks of proxies in front of the edge, whose word on the client counts.
        hosts: more names at which it answers.
        redirect_from: names whose requests are sent to `redirect_to`, scheme and name.
        named: it is reached by a name on users' networks, too.
        header_bytes, body_bytes: how large a request may be; None where deploy.yaml sets no limit.
        bind: addresses of the host on which the edge listens for it; empty for all.
        hsts: value of Strict-Transport-Security in answers by HTTPS; empty for none.
    """

    name: str
    protocol: Literal["http", "tcp"]
    host: str
    path: str
    port: int
    check: Check
    servers: tuple[Server, ...] = ()
    sticky: str = ""
    tls: bool = False
    certificate: str = ""
    maintenance: str = ""
    probe_token: str = field(default="", repr=False, compare=False)
    trusted_proxies: tuple[str, ...] = ()
    timeouts: Timeouts = field(default_factory=Timeouts)
    hosts: tuple[str, ...] = ()
    redirect_from: tuple[str, ...] = ()
    redirect_to: str = ""
    named: bool = False
    header_bytes: int | None = None
    body_bytes: int | None = None
    hsts: str = ""
    bind: tuple[str, ...] = ()

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
            hosts=route.hosts,
            redirect_from=route.redirect_from,
            hsts=route.hsts.header if route.hsts is not None else "",
        )

    def keeping(self, old: Backend | None) -> Backend:
        """Take over what belongs to the host, not to a release: certificate, maintenance, token.

        The certificate is kept while a release without TLS serves, so that a rollback to one with
        TLS needs no key.
        """
        if old is None:
            return self
        return dataclasses.replace(
            self,
            certificate=self.certificate or old.certificate,
            maintenance=self.maintenance or old.maintenance,
            probe_token=self.probe_token or old.probe_token,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Every host name whose requests it gets or redirects; one empty name is every one."""
        return (self.host, *self.hosts, *self.redirect_from)

    @property
    def keeps_connections(self) -> bool:
        """Whether connections to its servers outlive a request.

        A request that is repeated has to be answered in the time of one, and may be answered by
        another server.
        """
        patient = self.timeouts.request_seconds >= _SECONDS_TO_REPEAT
        return self.protocol == "http" and patient and not self.sticky

    def sections(self, server: Server) -> tuple[str, ...]:
        """Name the HAProxy backends that have a server."""
        kept = self.keeps_connections and not server.backup
        return (self.name, kept_name(self.name)) if kept else (self.name,)

    @property
    def places(self) -> frozenset[Place]:
        """Where requests of its port reach it."""
        return frozenset(place_of(name, self.path) for name in self.names)

    def address(self, name: str | None = None) -> str:
        """Return one of its places as people write it: ``shop.example.com:443/api``."""
        host = self.host if name is None else name
        return f"{host or '*'}:{self.port}{self.path.rstrip('/') or '/'}"

    @property
    def topology(self) -> Backend:
        """Everything except the servers: what only a reload can change."""
        return dataclasses.replace(self, servers=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """A place at the edge that another service has.

    Attributes:
        holder: name of the backend that has it.
        reason: for people; names the holder and the place.
    """

    code: ErrorCode
    holder: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeState:
    """All backends of an edge.

    Attributes:
        generation: rises with every change.
        edited: another program or a person has changed the file since it was written.
        outdated: this version of deploy-action writes the same state in another way.
    """

    generation: int = 0
    backends: Mapping[str, Backend] = field(default_factory=dict)
    edited: bool = False
    outdated: bool = False

    def with_backend(self, name: str, backend: Backend | None) -> EdgeState:
        """Return the next state, with one backend replaced or removed."""
        backends = {key: value for key, value in self.backends.items() if key != name}
        if backend is not None:
            backends[name] = backend
        return EdgeState(generation=self.generation + 1, backends=backends)

    def clash(self, backend: Backend) -> Clash | None:
        """Return why another service keeps a backend from its place; None where nothing does.

        A place is a port, and on an HTTP port a host name and a path. A more specific place beside
        a broader one is no clash.
        """
        for other in self.backends.values():
            if other.name == backend.name or other.port != backend.port:
                continue
            holder = "{} ({})".format(*owner_of(other.name))
            if other.tls != backend.tls:
                ours, theirs = ("with", "without") if backend.tls else ("without", "with")
                reason = f"{holder} listens on port {other.port} {theirs} TLS, not {ours} it"
                return Clash(code=ErrorCode.PORT_TAKEN, holder=other.name, reason=reason)
            if "tcp" in (other.protocol, backend.protocol):
                reason = f"{holder} has port {other.port} already"
                return Clash(code=ErrorCode.PORT_TAKEN, holder=other.name, reason=reason)
            shared = sorted(name for name, _ in other.places & backend.places)
            if shared:
                reason = f"{holder} serves {backend.address(shared[0])} already"
                return Clash(code=ErrorCode.ROUTE_TAKEN, holder=other.name, reason=reason)
        return None

    def to_json(self) -> str:
        """Encode the backends on one line; `decode_backends` (decode.py) reads it."""
        backends = [dataclasses.asdict(self.backends[name]) for name in sorted(self.backends)]
        return json.dumps({"format": STATE_FORMAT, "backends": backends}, sort_keys=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """HAProxy's statistics of one server; counters since it was added.

    Attributes:
        checked: a check has passed; HAProxy counts a server as up before its first check.
        last_check: the last check's result in HAProxy's words ("L4CON: Connection refused").
        started: attempts that began; only a reload makes it fall.
        requests: attempts to have one answered, those included that another server answered then.
        unanswered: attempts that ended without an answer, whatever the client got in the end.
    """

    name: str
    up: bool
    checked: bool
    last_check: str
    weight: int
    sessions: int
    started: int
    requests: int
    errors_5xx: int
    unanswered: int
    response_milliseconds: int


def sorted_servers(servers: Iterable[Server]) -> tuple[Server, ...]:
    """Sort servers by name, so that equal sets of servers are equal states."""
    return tuple(sorted(servers, key=lambda server: server.name))


def backend_name(service: str, environment: str) -> str:
    """Return the name of the backend of a service in an environment.

    Neither name has an underscore, so that no two pairs make the same one.
    """
    return f"{service}_{environment}"


def kept_name(backend: str) -> str:
    """Return the name of the HAProxy backend that keeps its connections to the same servers.

    Names of services and environments have no dot.
    """
    return f"{backend}.kept"


def owner_of(backend: str) -> tuple[str, str]:
    """Return the service and the environment whose backend has this name."""
    service, _, environment = backend.partition("_")
    return service, environment


def name_socket(backend: str) -> str:
    """Return the socket where the edge takes what comes by a service's name on users' networks.

    A path of a socket has room for 107 characters, which a backend's name may exceed.
    """
    return _socket("name", backend)


def again_socket(backend: str) -> str:
    """Return the socket where the edge takes what it repeats, because no server answered it on a kept
    connection."""
    return _socket("again", backend)


def _socket(kind: str, backend: str) -> str:
    return f"/state/run/{kind}-{hashlib.sha256(backend.encode()).hexdigest()[:16]}.sock"


def plain_socket(port: int) -> str:
    """Return the socket where the edge takes an HTTP port's requests without TLS: from our own
    checks, and from HAProxy workers from before a reload."""
    return f"/state/run/edge-{port}.sock"
