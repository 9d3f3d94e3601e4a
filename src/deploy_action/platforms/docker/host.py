"""One host during a command: its engine, its session, its edge, and what was found there."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from deploy_action.clock import Clock
from deploy_action.config.model import Environment
from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.addresses import IpAllocator
from deploy_action.platforms.docker.dialer import UNIX, HostDialer
from deploy_action.platforms.docker.edge import host as edge_host
from deploy_action.platforms.docker.edge.edge import Edge, StateCache
from deploy_action.platforms.docker.edge.queries import server_statuses, written_state
from deploy_action.platforms.docker.edge.state import backend_name, plain_socket
from deploy_action.platforms.docker.engine.protocol import (
    Container,
    ContainerSpec,
    Engine,
    NameTaken,
)
from deploy_action.platforms.docker.observation import HostObservation
from deploy_action.platforms.docker.replicas import Replica, address_of, replica_spec, selector
from deploy_action.releases.model import Release
from deploy_action.session.client import Session
from deploy_action.session.queries import get, optional, pair
from deploy_action.session.store import LedgerStore

__all__ = ["Host", "observe", "reading"]

_ADDRESS_TRIES = 8
_RECENT_IMAGES = 10
_ASKED_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host with an open session. Where the session is the lock, everything that changes
    something asks `talk.ping` first: a lock that was lost stops this process, not its successor.

    Attributes:
        talk: the session.
        dialer: the way to addresses that only this host reaches; it starts where the session is.
    """

    host: str
    engine: Engine
    environment: Environment
    clock: Clock
    session: Session
    dialer: HostDialer
    addresses: IpAllocator = field(default_factory=IpAllocator)
    cache: StateCache = field(default_factory=StateCache)

    @property
    def edge(self) -> Edge:
        """The host's edge."""
        return Edge(host=self.host, session=self.session, cache=self.cache)

    @property
    def ledger(self) -> LedgerStore:
        """The environment's ledger on this host."""
        return LedgerStore(self.session, self.environment.service, self.environment.name)

    @property
    def backend(self) -> str:
        """Name of the environment's backend."""
        return backend_name(self.environment.service, self.environment.name)

    @property
    def key_path(self) -> str:
        """Where the key of secret fingerprints is kept."""
        return f"{self.ledger.directory}/fingerprint.key"

    def replicas(self) -> tuple[Replica, ...]:
        """List the service's containers, stopped ones too."""
        found = self.engine.containers(selector(self.environment))
        return tuple(Replica.read(container) for container in found)

    def edge_address(self) -> str:
        """Return where the edge takes plain requests, as seen from the lock's container."""
        route = self.environment.route
        if route is not None and route.certificate is not None:
            return f"{UNIX}{plain_socket(route.port)}"
        return self.public_address()

    def public_address(self) -> str:
        """Return where the edge listens for everybody, as seen from the lock's container."""
        if self.environment.edge.network == "host":
            return "127.0.0.1"
        found = self.engine.container(self.environment.edge.name)
        return "" if found is None else found.addresses.get(self.environment.edge.name, "")

    def ensure_edge(self) -> None:
        """Have the edge running, where the environment needs one."""
        route = self.environment.route
        if route is not None:
            # Beside https the edge listens for plain requests, to send them there.
            redirects = route.certificate is not None and route.port == 443
            ports = (route.port, 80) if redirects else (route.port,)
            edge_host.ensure_edge(self.engine, self.environment.edge, ports, self.clock)

    def renew_edge(self) -> str:
        """Replace an edge that is older than ours without losing a request; say what was done."""
        if self.environment.route is None:
            return ""
        return edge_host.renew_edge(
            self.engine, self.environment.edge, self.clock, begun=self.edge.restore_health
        )

    def create_replica(
        self,
        environment: Environment,
        release: Release,
        *,
        number: int,
        index: int,
        secrets: Mapping[str, str],
    ) -> Container:
        """Create a replica that has yet to be started, at a free address of the edge's network."""
        address = self.addresses.take(self.engine, environment.edge.name)
        spec = replica_spec(
            environment, release, number=number, index=index, address=address, secrets=secrets
        )
        self.session.ping()
        return Container.of(spec, self._create(spec))

    def start_replica(self, created: Container, anew: Callable[[], Container]) -> Container:
        """Start what `create_replica` made.

        Args:
            anew: makes another one, at another address, where another service took this one's
                between the look and the start.

        Returns the container that runs.

        Raises:
            DeploymentFailed: it cannot be started; nothing of it is left then.
        """
        for _ in range(_ADDRESS_TRIES):
            try:
                self.engine.start(created.id)
            except DeploymentFailed as error:
                self.engine.remove(created.id)
                if error.code is not ErrorCode.ADDRESS_IN_USE:
                    raise
                created = anew()
            else:
                return dataclasses.replace(created, status="running")
        self.engine.remove(created.id)
        raise DeploymentFailed(
            f"{self.host}: others take every address of {self.environment.edge.name} first",
            remedy="deploy again when they are done",
            code=ErrorCode.ADDRESS_IN_USE,
        )

    def _create(self, spec: ContainerSpec) -> str:
        try:
            return self.engine.create(spec)
        except NameTaken:
            found = self.engine.container(spec.name)
            number = "deploy-action.deployment"
            if found is not None and found.labels.get(number) != spec.labels[number]:
                raise DeploymentFailed(
                    f"{self.host}: the name {spec.name} is taken by a container that is not ours",
                    remedy=f"docker rename {spec.name} NEW-NAME",
                ) from None
            # The answer to an earlier create was lost: it is this very container.
            if found is not None:
                self.engine.remove(found.id)
            return self.engine.create(spec)

    def replica_address(self, replica: Replica) -> str:
        """Return a replica's address."""
        return address_of(replica, self.environment)


def observe(site: Host, images: Iterable[str]) -> HostObservation:
    """Look at a host without changing anything.

    Args:
        images: references to look for, besides those of recent releases.
    """
    engine, environment, name = site.engine, site.environment, site.backend
    # The engine and the session are asked at one time: what is far away costs once.
    with ThreadPoolExecutor(max_workers=_ASKED_AT_ONCE) as pool:
        replicas = pool.submit(engine.containers, selector(environment))
        (ledger, secret), (edge, servers) = site.session.ask(
            pair(
                pair(site.ledger.read_query(), get(site.key_path)),
                # The edge may be down while its configuration is there.
                pair(written_state(), optional(server_statuses(name))),
            )
        )
        site.cache.keep(edge)
        backend = edge.backends.get(name)
        ledger = site.ledger.complete(ledger)
        recent = {entry.release.reference: None for entry in reversed(ledger.entries)}
        wanted = tuple(dict.fromkeys([*images, *list(recent)[:_RECENT_IMAGES]]))
        present = [pool.submit(engine.image, image) for image in wanted]
    found = zip(wanted, present, strict=True)
    return HostObservation(
        host=site.host,
        ledger=ledger,
        replicas=tuple(map(Replica.read, replicas.result())),
        backend=backend,
        images=frozenset(image for image, answer in found if answer.result() is not None),
        servers=None if backend is None else servers,
        edited=edge.edited,
        key=secret,
    )


@contextlib.contextmanager
def reading(
    host: str, engine: Engine, environment: Environment, clock: Clock
) -> Iterator[Host | None]:
    """Open a session that takes no lock, for looking only; None where nothing was deployed yet.

    It is a command in the edge's container, or, where no edge runs (a host of workers), a
    container of its own that ends with the session.
    """
    options = environment.edge
    found = engine.container(options.name)
    if found is not None and found.running:
        carrier, stream = found.id, engine.connect(found.id, edge_host.reader_argv())
    elif engine.image(edge_host.edge_image(options)) is None:
        yield None
        return
    else:
        spec = edge_host.lock_spec(options, f"{options.name}-reader-{os.urandom(6).hex()}", {})
        carrier, stream = _begin_reading(engine, spec)
    with contextlib.closing(Session(engine.host, stream)) as session:
        yield Host(
            host=host,
            engine=engine,
            environment=environment,
            clock=clock,
            session=session,
            dialer=HostDialer(engine=engine, container_id=carrier),
        )


def _begin_reading(engine: Engine, spec: ContainerSpec) -> tuple[str, socket.socket]:
    with contextlib.ExitStack() as undo:
        carrier = engine.create(spec)
        undo.callback(engine.remove, carrier)
        stream = undo.enter_context(contextlib.closing(engine.attach(carrier)))
        engine.start(carrier)
        undo.pop_all()
    return carrier, stream
