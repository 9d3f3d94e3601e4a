"""The configuration as frozen values: what deploy.yaml means once it is valid and resolved.

Everything that an environment overrides is already merged in, every default is filled in,
every duration is in seconds, every size in bytes. Secrets are names here, never values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from deploy_action.config.urls import Place, Url, parse_url, place_of

_WATCH_SECONDS = 3.0
"""Short enough to wait for, long enough for a process that dies of its first work."""

__all__ = [
    "Analysis",
    "Build",
    "Certificate",
    "CommandSmoke",
    "DeployConfig",
    "EdgeOptions",
    "Environment",
    "Health",
    "Hook",
    "Hooks",
    "HttpSmoke",
    "Identity",
    "ImageSmoke",
    "LedgerOptions",
    "Limits",
    "PostmanSmoke",
    "Probe",
    "ProbePost",
    "RegistryLogin",
    "Resources",
    "Retry",
    "Route",
    "SmokeTest",
    "Stop",
    "Strategy",
    "TcpSmoke",
    "Timeouts",
    "Volume",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """How to build the image when it is not pulled.

    `context` is relative to deploy.yaml, `dockerfile` to the context.
    """

    context: str = "."
    dockerfile: str = "Dockerfile"
    target: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    push: bool = False
    """Push after building, so that several hosts can pull by digest."""
    cache: str | None = None
    """A tag that each push moves on, and whose layers the next build takes where nothing changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryLogin:
    """Credentials of a registry; `password_secret` names the variable that holds the password."""

    username: str
    password_secret: str
    server: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Where the application itself says which version answers; it must equal the release's.

    Exactly one of `header` and `json` is set. `expect` is compared after ``{version}``,
    ``{digest}`` and ``{commit}`` are filled in.
    """

    header: str | None = None
    json: str | None = None
    path: str | None = None
    expect: str = "{version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """When a replica counts as healthy.

    `kind` is ``http`` (GET `path` answers 2xx), ``tcp`` (the port accepts), ``command``
    (`command` exits 0 in the container), ``docker`` (the image's own HEALTHCHECK) or
    ``running`` (it stays up for `successes` × `interval_seconds`).
    """

    kind: Literal["http", "tcp", "command", "docker", "running"] = "http"
    path: str = "/"
    command: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    interval_seconds: float = 0.1
    timeout_seconds: float = 2.0
    deadline_seconds: float = 60.0
    successes: int = 2
    failures: int = 3
    identity: Identity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A smoke test is tried again every `interval_seconds` until `deadline_seconds` are over."""

    deadline_seconds: float = 3.0
    interval_seconds: float = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSmoke:
    """One request and what its answer must be. `${NAME}` in header values and body is filled
    with a declared secret when the request is sent."""

    name: str
    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    status: tuple[int, ...] = (200,)
    contains: tuple[str, ...] = ()
    matches: str | None = None
    json: Mapping[str, object] = field(default_factory=dict)
    response_headers: Mapping[str, str] = field(default_factory=dict)
    within_seconds: float | None = None
    redirects: Literal["none", "same-host"] = "none"
    timeout_seconds: float = 5.0
    retry: Retry = field(default_factory=Retry)
    through: tuple[Literal["replica", "edge"], ...] = ("replica", "edge")


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpSmoke:
    """A connection, optionally with bytes to send and a prefix to expect."""

    name: str
    port: int | None = None
    send: str | None = None
    expect: str | None = None
    timeout_seconds: float = 5.0
    retry: Retry = field(default_factory=Retry)
    through: tuple[Literal["replica", "edge"], ...] = ("replica", "edge")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSmoke:
    """A command in the new container; exit code 0 passes. Runs against replicas only."""

    name: str
    command: tuple[str, ...]
    contains: tuple[str, ...] = ()
    timeout_seconds: float = 30.0
    retry: Retry = field(default_factory=Retry)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostmanSmoke:
    """A Postman collection, which newman runs beside the new replica.

    Attributes:
        image: has newman; by version or digest.
        collection, environment: their JSON.
        address: name of the variable that gets the replica's URL.
        secrets: names of declared secrets that become variables of the same name.
    """

    name: str
    image: str
    collection: str
    environment: str = ""
    address: str = "baseUrl"
    secrets: tuple[str, ...] = ()
    timeout_seconds: float = 60.0
    retry: Retry = field(default_factory=Retry)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSmoke:
    """A program in an image of its own, beside the new replica; exit code 0 passes.

    Attributes:
        image: by version or digest.
        command: ``{url}`` is the replica's URL.
        files: path in the container → text.
        report: path of a JUnit report that it writes; empty for none.
        secrets: names of declared secrets that become variables of the same name.
    """

    name: str
    image: str
    command: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    report: str = ""
    secrets: tuple[str, ...] = ()
    timeout_seconds: float = 60.0
    retry: Retry = field(default_factory=Retry)


SmokeTest = HttpSmoke | TcpSmoke | CommandSmoke | PostmanSmoke | ImageSmoke


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorLimits:
    """How many requests to a canary may fail.

    It is bad where more than `times` the old release's share fail, and more than `floor`. It is
    good once a share of `notice` is ruled out. With `dry_run` a bad one is only told.
    """

    times: float = 1.5
    floor: float = 0.002
    notice: float = 0.02
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """When the edge's own counters speak against a new release, during a canary and the bake.

    Attributes:
        latency_seconds: what answers may take on average.
        limit: the share of requests that may fail during a bake, which has no old traffic.
        false_alarms: the chance that one deployment of a release that is not worse is undone.
        burst_seconds: failures within so many seconds may have one cause, and count together.
        no_data: what a canary without any request comes to.
    """

    errors: ErrorLimits = field(default_factory=ErrorLimits)
    latency_seconds: float | None = None
    limit: float = 0.01
    false_alarms: float = 0.01
    burst_seconds: float = 5.0
    no_data: Literal["hold", "pass", "fail"] = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sticky:
    """What tells clients apart, so that each stays with one replica: a cookie or a header."""

    kind: Literal["cookie", "header"]
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How traffic moves. `canary` holds percents, rising, without the final 100; with `standby` the
    release before stays running, without traffic."""

    analysis: Analysis = field(default_factory=Analysis)
    order: Literal["start-first", "stop-first"] = "start-first"
    canary: tuple[int, ...] = ()
    pause_seconds: float = 30.0
    sticky: Sticky | None = None
    standby: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """How an old replica ends: drained for at most `drain_seconds`, then `signal`, then SIGKILL
    after `timeout_seconds`."""

    drain_seconds: float = 30.0
    timeout_seconds: float = 10.0
    signal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A named volume or an absolute host path at `target` in the container."""

    source: str
    target: str
    read_only: bool = False
    shared: bool = False
    """Other environments on the same host may use the named volume, too."""
    relabel: Literal["", "z", "Z"] = ""
    """A label of SELinux: shared by containers, or for one."""

    @property
    def bind(self) -> str:
        """The mount as `docker run --volume` takes it."""
        mode = "ro" if self.read_only else "rw"
        return f"{self.source}:{self.target}:{mode}" + (f",{self.relabel}" if self.relabel else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ULimit:
    """A limit of the kernel for each process; -1 is none."""

    soft: int
    hard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """Where output goes; the driver "engine" is whatever the engine has."""

    driver: str = "json-file"
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """Options of the containers, under the names that Compose and `docker run` have for them.

    Attributes:
        gpus: how many; -1 for all; None for none.
        cap_add, cap_drop: capabilities without the prefix CAP_.
        logging: None is a bounded json-file.
    """

    ulimits: Mapping[str, ULimit] = field(default_factory=dict)
    shm_bytes: int | None = None
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    gpus: int | None = None
    extra_hosts: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    init: bool = False
    sysctls: Mapping[str, str] = field(default_factory=dict)
    logging: Logging | None = None
    no_new_privileges: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Limits of one replica; `None` is no limit."""

    memory_bytes: int | None = None
    cpus: float | None = None
    pids: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A one-off container of the new image."""

    name: str
    command: tuple[str, ...]
    timeout_seconds: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """One-off containers before traffic moves, after it moved, and after a failure."""

    pre_deploy: tuple[Hook, ...] = ()
    post_deploy: tuple[Hook, ...] = ()
    on_failure: tuple[Hook, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePost:
    """A request with an effect, so nothing is sent unless it is asked for. Sent as it is written:
    no secret is filled in."""

    path: str
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Probe requests that go through the edge during a deployment and are counted.

    `path` empty is the health path, or the route's where that leads to another service; `post` is
    sent beside it; `rate_per_second` 0 turns both off; more than `lost` requests lost undo the
    deployment.
    """

    path: str = ""
    post: ProbePost | None = None
    rate_per_second: float = 4.0
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A PEM bundle from a file on the deployer's side or from a secret; one of the two is set."""

    file: str | None = None
    secret: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hsts:
    """Strict-Transport-Security (RFC 6797): how long browsers use https alone; a year if unsaid."""

    max_age_seconds: float = 31_536_000.0
    include_subdomains: bool = False
    preload: bool = False

    @property
    def header(self) -> str:
        """The header's value."""
        subdomains = "; includeSubDomains" if self.include_subdomains else ""
        return f"max-age={self.max_age_seconds:.0f}{subdomains}{'; preload' * self.preload}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which traffic of the edge belongs to the environment.

    `host` empty matches every host name. `port` is where the edge listens on the host.
    For a TCP service the port alone decides.

    Attributes:
        hosts: more names at which the service answers.
        redirect_from: names whose requests are sent to the first one.
    """

    host: str = ""
    path: str = "/"
    port: int = 80
    certificate: Certificate | None = None
    hosts: tuple[str, ...] = ()
    redirect_from: tuple[str, ...] = ()
    hsts: Hsts | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every host name of the route; one empty name matches all."""
        return (self.host, *self.hosts, *self.redirect_from)

    @property
    def places(self) -> frozenset[Place]:
        """The places of its port that nobody else can have."""
        return frozenset(place_of(name, self.path) for name in self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeOptions:
    """The edge of a host; one name is one edge with its own network, volume and container."""

    name: str = "deploy-action"
    network: Literal["host", "bridge"] = "host"
    image: str | None = None
    subnet: str | None = None
    """Range from which networks that have yet to be created get theirs; ranges that the host does
    not route to if None."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks whose proxies may say who the client is."""
    bind: tuple[str, ...] = ()
    """Addresses of the host on which it listens for this service; all of them if empty."""

    @property
    def listens_on(self) -> tuple[str, ...]:
        """Addresses of `bind` where the edge itself listens there: otherwise Docker does."""
        return self.bind if self.network == "host" else ()

    def network_of(self, service: str, environment: str) -> str:
        """Return the name of the network that only an environment's containers and the edge use.

        No name has an underscore of its own.
        """
        return f"{self.name}_{service}_{environment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long the edge waits: `request` until an answer begins, `idle` while nothing more of it
    comes, `tunnel` while nothing passes a WebSocket."""

    request_seconds: float = 300.0
    idle_seconds: float = 300.0
    tunnel_seconds: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large a request may be; None is the edge's own limit for headers, and none for a body."""

    header_bytes: int | None = None
    body_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerOptions:
    """Whether entries of the ledger count without a signature."""

    signed: Literal["optional", "required"] = "optional"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A service as it shall run in one environment: the resolved, complete description."""

    name: str
    service: str
    image: str | None = None
    """Repository without tag or digest, or with a fixed tag or digest."""
    build: Build | None = None
    registry: RegistryLogin | None = None
    pull: Literal["always", "missing", "never"] = "missing"
    """`never` is the explicit policy under which a digest known only locally may be deployed."""
    hosts: tuple[str, ...] = ("local",)
    """``local``, ``unix://…``, ``tcp://…`` or ``ssh://user@host[:port]``."""
    port: int | None = None
    protocol: Literal["http", "h2c", "tcp"] = "http"
    url: str | None = None
    route: Route | None = None
    """`None` for a worker (no `port`)."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    limits: Limits | None = None
    """None where deploy.yaml sets none: releases that were recorded before there were any keep
    their id."""
    health: Health = field(default_factory=Health)
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    """Names, of those in files too."""
    secret_files: Mapping[str, str] = field(default_factory=dict)
    """Name → path in the container, of the secrets that are files instead of variables."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Path in the container → content of a configuration file, which is part of the release."""
    gates: Mapping[str, object] = field(default_factory=dict)
    """The options of each configured gate by its key; `gates/registry.py` has their types."""
    smoke: tuple[SmokeTest, ...] = ()
    probe: Probe = field(default_factory=Probe)
    replicas: int = 1
    after: str | None = None
    strategy: Strategy = field(default_factory=Strategy)
    bake_seconds: float = 0.0
    watch_seconds: float | None = None
    """None is the default: releases that were recorded before there was one keep their id."""
    stop: Stop = field(default_factory=Stop)
    hooks: Hooks = field(default_factory=Hooks)
    volumes: tuple[Volume, ...] = ()
    networks: tuple[str, ...] = ()
    network_alias: str | None = None
    """Name of the service on `networks`; None is the service's own, where nobody else has it."""
    resources: Resources = field(default_factory=Resources)
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    user: str | None = None
    read_only: bool = False
    tmpfs: tuple[str, ...] = ()
    ephemeral: tuple[str, ...] = ()
    """Paths of the image's VOLUMEs whose data is discarded with each container."""
    options: ContainerOptions = field(default_factory=ContainerOptions)
    allow_host_access: tuple[str, ...] = ()
    """Mounts that give control over the host, and are meant."""
    labels: Mapping[str, str] = field(default_factory=dict)
    retain: int = 5
    edge: EdgeOptions = field(default_factory=EdgeOptions)
    ledger: LedgerOptions | None = None
    """None is the default, as for `watch_seconds`."""

    @property
    def alias(self) -> str:
        """The name by which containers on `networks` reach the service; empty for none."""
        if self.route is None or not self.networks:
            return ""
        return self.service if self.network_alias is None else self.network_alias

    @property
    def origin(self) -> str:
        """What stands before the path where people are to reach it: ``https://shop.example.com``.

        The url says it, except where it names another server; empty without a name.
        """
        route = self.route
        if route is None or not route.host:
            return ""
        try:
            url = parse_url(self.url or "")
        except ValueError:
            url = Url()
        known = place_of(url.host, "") == place_of(route.host, "")
        tls = route.certificate is not None or (known and url.scheme == "https")
        scheme, default = ("https", 443) if tls else ("http", 80)
        port = url.port if known else route.port
        return f"{scheme}://{route.host}" + ("" if port in (None, default) else f":{port}")

    @property
    def watched_seconds(self) -> float:
        """How long the new release is watched after the switch, while the old one still runs."""
        short = _WATCH_SECONDS if self.watch_seconds is None else self.watch_seconds
        return self.bake_seconds or short


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationTarget:
    """Who is told of what.

    Attributes:
        secret: name of the variable that holds the address.
        signing_key: name of the variable with the key that signs; of webhooks alone.
        events: of what.
    """

    kind: Literal["slack", "teams", "discord", "webhook"]
    secret: str
    signing_key: str | None = None
    events: tuple[str, ...] = ("deployed", "rolled-back", "removed", "failed", "unresolved")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployConfig:
    """All of a deploy.yaml: every environment resolved, in the order of the file."""

    file: str
    service: str
    environments: Mapping[str, Environment]
    without_hosts: frozenset[str] = frozenset()
    """Names of environments for which the file names no host: `local` is then a default."""
    notifications: Mapping[str, tuple[NotificationTarget, ...]] = field(default_factory=dict)
    """By environment; no part of a release."""
