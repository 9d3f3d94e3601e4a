"""A host in memory: images, containers, networks, volumes, an edge, and what its users see."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tests.fakes.application import Application, Reply
from tests.fakes.clock import FakeClock, time_at
from tests.fakes.haproxy import FakeHaproxy

from deploy_action.platforms.docker.engine.protocol import Container, ContainerSpec, Image

if TYPE_CHECKING:
    from tests.fakes.session import FakeSession

__all__ = ["FakeContainer", "FakeImage", "FakeMachine", "FakeVolume", "Outage"]

_BACKOFF_SECONDS = 0.1
_CONFIGURATION = "edge/haproxy.cfg"


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeImage:
    """An image; `application` None is one of ours (edge and lock)."""

    id: str
    digests: tuple[str, ...] = ()
    application: Application | None = None
    healthcheck: bool = False
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def view(self, architecture: str) -> Image:
        """Return it as an engine shows it."""
        return Image(
            id=self.id,
            digests=self.digests,
            architecture=architecture,
            healthcheck=self.healthcheck,
            labels=self.labels,
            volumes=self.volumes,
        )


@dataclass(slots=True, kw_only=True)
class FakeVolume:
    """Files by path; `haproxy` is the edge that runs on them, in the container `edge`; `room` is
    what a reserve gave back."""

    files: dict[str, bytes] = field(default_factory=dict)
    haproxy: FakeHaproxy | None = None
    edge: str = ""
    room: int = 0


@dataclass(slots=True, kw_only=True)
class FakeContainer:
    """A container; `exits` is when its main process ends by itself, and how."""

    id: str
    spec: ContainerSpec
    image: FakeImage
    addresses: dict[str, str]
    restart: str
    status: Literal["created", "running", "exited"] = "created"
    started: float = 0.0
    exit_code: int = 0
    out_of_memory: bool = False
    exits: tuple[float, int] = (float("inf"), 0)
    session: FakeSession | None = None
    log: list[str] = field(default_factory=list)
    restarts: int = 0
    asked_to_stop: bool = False
    anonymous_volumes: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def application(self) -> Application | None:
        """What runs in it, when that is an application and not a command."""
        return self.image.application

    def names(self, network: str) -> frozenset[str]:
        """Return the names that it answers to on a network."""
        aliases = (n.aliases for n in self.spec.networks if n.name == network)
        return frozenset({self.spec.name}.union(*aliases))

    def view(self) -> Container:
        """Return it as an engine shows it."""
        return Container(
            id=self.id,
            name=self.spec.name,
            image_id=self.image.id,
            labels=self.spec.labels,
            status=self.status,
            exit_code=self.exit_code,
            out_of_memory=self.out_of_memory,
            health="none" if self.application is None else self.application.docker_health,
            addresses=dict(self.addresses),
            restart=self.restart,
            restarts=self.restarts,
            started_at=time_at(self.started).isoformat(),
            memory_bytes=self.spec.memory_bytes or 0,
            cpus=self.spec.cpus or 0,
            pids=self.spec.pids or 0,
            env=self.spec.env,
            host_config=self.spec.host_config,
            anonymous_volumes=dict(self.anonymous_volumes),
        )


@dataclass(frozen=True, slots=True)
class Outage:
    """A moment at which a request would have been lost."""

    when: float
    why: str


@dataclass(slots=True, kw_only=True)
class FakeMachine:
    """One host. Everything that changes something does it inside `changing`.

    Attributes:
        registry: reference → (digest, image); what can be pulled. None is one that is down.
        disk_full: nothing can be written any more.
        refuses_edge: HAProxy's words, when it does not take any new configuration.
        watched: names of backends whose users are asked after every change.
        outages: when those would have lost a request.
    """

    name: str
    clock: FakeClock
    registry: dict[str, tuple[str, FakeImage]] | None
    architecture: str = "amd64"
    images: dict[str, FakeImage] = field(default_factory=dict)
    containers: dict[str, FakeContainer] = field(default_factory=dict)
    networks: dict[str, str] = field(default_factory=dict)
    network_labels: dict[str, dict[str, str]] = field(default_factory=dict)
    volumes: dict[str, FakeVolume] = field(default_factory=dict)
    disk_full: bool = False
    refuses_edge: str = ""
    watched: set[str] = field(default_factory=set)
    outages: list[Outage] = field(default_factory=list)
    guard: threading.RLock = field(default_factory=threading.RLock)
    created: int = 0

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Let time catch up, change something, and look at what users see now."""
        with self.guard:
            self.catch_up()
            yield
            self.catch_up()

    def catch_up(self) -> None:
        """Let everything happen that the clock says has happened."""
        now = self.clock.monotonic()
        for container in list(self.containers.values()):
            when, code = container.exits
            while container.status == "running" and container.started + when <= now:
                ended = container.started + when
                self.end(container, code)
                revived = container.restart == "unless-stopped" and not container.asked_to_stop
                if not revived or container.id not in self.containers:
                    break
                self.begin(container)
                container.started, container.restarts = (
                    ended + _BACKOFF_SECONDS,
                    container.restarts + 1,
                )
        for volume in self.volumes.values():
            if volume.haproxy is not None:
                volume.haproxy.catch_up()
        for backend in self.watched:
            why = self.unserved(backend)
            if why and (not self.outages or self.outages[-1] != Outage(now, why)):
                self.outages.append(Outage(now, why))

    def find(self, id_or_name: str) -> FakeContainer | None:
        """Return a container by id, name or the beginning of its id."""
        for container in self.containers.values():
            if id_or_name in (container.id, container.spec.name):
                return container
        return None

    def volume_of(self, container: FakeContainer) -> FakeVolume:
        """Return the volume that is mounted at /state."""
        return self.volumes[container.spec.binds[0].split(":")[0]]

    def begin(self, container: FakeContainer) -> None:
        """Start the main process."""
        container.status, container.started = "running", self.clock.monotonic()
        container.asked_to_stop = False
        application = container.application
        if container.spec.labels.get("deploy-action.kind") == "edge":
            volume = self.volume_of(container)
            volume.edge = container.id
            volume.haproxy = FakeHaproxy(ask=self._ask, now=self.clock.monotonic)
            volume.haproxy.load(volume.files.get(_CONFIGURATION, b"").decode())
        elif application is not None and not (container.spec.command or container.spec.entrypoint):
            container.exits = (application.ends_seconds, application.exit_code)
            container.log += [f"version {application.version} begins", *application.says]

    def end(self, container: FakeContainer, code: int) -> None:
        """End the main process."""
        container.status, container.exit_code = "exited", code
        application = container.application
        container.out_of_memory = application is not None and application.out_of_memory
        container.log.append(f"ended with {code}")
        if container.spec.labels.get("deploy-action.kind") == "edge":
            volume = self.volume_of(container)
            if volume.edge == container.id:
                volume.haproxy = None
        if container.session is not None:
            container.session.end()
        if container.spec.remove_at_end:
            self.containers.pop(container.id, None)

    def _at(self, address: str, port: int) -> FakeContainer | None:
        for container in self.containers.values():
            if container.status == "running" and address in container.addresses.values():
                application = container.application
                return container if application and application.port == port else None
        return None

    def _ask(self, address: str, port: int, when: float) -> int | None:
        container = self._at(address, port)
        if container is None or container.application is None or container.started > when:
            return None
        return container.application.status(when - container.started)

    def reply(self, address: str, port: int) -> Reply | None:
        """Answer a request as the container at this address does; None is a refused connection."""
        with self.guard:
            self.catch_up()
            container = self._at(address, port)
            if container is None or container.application is None:
                return None
            app = container.application
            age = self.clock.monotonic() - container.started
            return Reply(status=app.status(age), version=app.says_version or app.version)

    def through_edge(self, port: int, host: str = "") -> Reply | None:
        """Answer a request as the edge does on one of its ports."""
        with self.guard:
            self.catch_up()
            for volume in self.volumes.values():
                if volume.haproxy is None or port not in volume.haproxy.frontends:
                    continue
                routes = volume.haproxy.frontends[port]
                backend = next(r.backend for r in routes if r.takes(host))
                return self._from_edge(volume.haproxy, backend)
            return None

    def _from_edge(self, haproxy: FakeHaproxy, backend: str) -> Reply:
        token = haproxy.tokens.get(backend, "")
        if backend in haproxy.redirects:
            return Reply(
                status=308,
                version="none",
                token=token,
                served_by=f"{backend.removesuffix('.redirect')}/",
                redirects_to=haproxy.redirects[backend],
            )
        for server in haproxy.eligible(backend):
            # A refused connection is tried again on the next server.
            reply = self.reply(server.address, server.port)
            if reply is not None:
                served_by = f"{backend}/{server.name}"
                return dataclasses.replace(reply, token=token, served_by=served_by)
        return Reply(status=503, version="none", token=token, served_by=f"{backend}/")

    def by_name(self, network: str, name: str) -> list[Reply | None]:
        """Answer a request by a name on a network, once for each container that has it."""
        with self.guard:
            self.catch_up()
            return [
                self.by_socket(container)
                for container in self.containers.values()
                if container.status == "running" and name in container.names(network)
            ]

    def by_socket(self, container: FakeContainer) -> Reply | None:
        """Answer as what passes connections on to a socket of an edge does."""
        found = re.search(r"unix@(\S+) send-proxy", container.spec.env.get("CONFIGURATION", ""))
        haproxy = self.volume_of(container).haproxy if found else None
        if found is None or haproxy is None or found[1] not in haproxy.sockets:
            return None
        return self._from_edge(haproxy, haproxy.sockets[found[1]])

    def unserved(self, backend: str) -> str:
        """Say why a request could be lost now; empty when all is well."""
        for volume in self.volumes.values():
            if volume.haproxy is None or backend not in volume.haproxy.backends:
                continue
            servers = volume.haproxy.eligible(backend)
            kept = volume.haproxy.eligible(f"{backend}.kept")
            now = self.clock.monotonic()
            said = {s.name: self._ask(s.address, s.port, now) for s in (*servers, *kept)}
            bad = [name for name, status in said.items() if status not in (200, None)]
            if bad:
                return f"{', '.join(bad)} has traffic and does not answer"
            # What no server answers on a kept connection is asked again here.
            if all(said[server.name] is None for server in servers):
                return f"no server of {backend} can answer: {sorted(said)}"
            return ""
        return f"there is no edge with {backend}"

    def weights(self, backend: str) -> dict[str, int]:
        """Return the weights in the running edge, which are the same for kept connections."""
        for volume in self.volumes.values():
            if volume.haproxy is not None and backend in volume.haproxy.backends:
                servers = volume.haproxy.backends[backend]
                for name, kept in volume.haproxy.backends.get(f"{backend}.kept", {}).items():
                    assert kept.weight == servers[name].weight, (name, kept, servers[name])
                return {name: server.weight for name, server in servers.items()}
        return {}

    def files(self, start: str) -> dict[str, bytes]:
        """Return the files of all volumes below a path."""
        found: Callable[[str], bool] = lambda path: path.startswith(start)  # noqa: E731
        return {p: c for v in self.volumes.values() for p, c in v.files.items() if found(p)}
