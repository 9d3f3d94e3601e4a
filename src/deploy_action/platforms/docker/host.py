"""One host during a command: its engine, its session, its edge, and what is found there."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.addresses import IpAllocator
from deploy_action.platforms.docker.dialer import UNIX, HostDialer
from deploy_action.platforms.docker.edge import host as edge_host
from deploy_action.platforms.docker.edge.edge import Edge, StateCache
from deploy_action.platforms.docker.edge.queries import server_statuses, written_state
from deploy_action.platforms.docker.edge.state import plain_socket
from deploy_action.platforms.docker.engine.protocol import (
    Container,
    ContainerSpec,
    Engine,
    NameTaken,
)
from deploy_action.platforms.docker.observation import HostObservation
from deploy_action.platforms.docker.replicas import Placement, Replica, replica_spec
from deploy_action.releases.signatures import Signatures
from deploy_action.session.client import Session
from deploy_action.session.queries import get, optional, pair
from deploy_action.session.store import LedgerStore

if TYPE_CHECKING:
    from deploy_action.clock import Clock
    from deploy_action.config.model import Route
    from deploy_action.inputs import Secret
    from deploy_action.releases.model import Release, Role

__all__ = ["Host", "observe", "open_reader"]

_ADDRESS_TRIES = 8
_RECENT_IMAGES = 10
_PARALLEL_QUERIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host with an open session.

    Where the session is the lock, whatever changes something calls `session.ping` first: a lock
    that was lost stops this process, not its successor.

    Attributes:
        placement: the service and environment, and the edge that they use today.
        dialer: connects from the host itself, to addresses that only the host reaches.
    """

    name: str
    engine: Engine
    placement: Placement
    clock: Clock
    session: Session
    dialer: HostDialer
    addresses: IpAllocator = field(default_factory=IpAllocator)
    cache: StateCache = field(default_factory=StateCache)
    signatures: Signatures = field(default_factory=Signatures)

    @property
    def edge(self) -> Edge:
        """The host's edge."""
        return Edge(host=self.name, session=self.session, cache=self.cache)

    @property
    def ledger(self) -> LedgerStore:
        """The environment's ledger on this host."""
        placement = self.placement
        return LedgerStore(
            self.session, placement.service, placement.environment, self.signatures, self.name
        )

    @property
    def backend(self) -> str:
        """Name of the environment's backend."""
        return self.placement.backend

    @property
    def key_path(self) -> str:
        """Where the key of secret fingerprints is kept."""
        return f"{self.ledger.directory}/fingerprint.key"

    def replicas(self) -> tuple[Replica, ...]:
        """List the service's containers, stopped ones too."""
        containers = self.engine.containers(self.placement.selector())
        return tuple(Replica.read(container) for container in containers)

    def edge_address(self, route: Route) -> str:
        """Return where the edge takes plain requests, as seen from the session's container."""
        if route.certificate is not None:
            return f"{UNIX}{plain_socket(route.port)}"
        return self.public_address()

    def public_address(self) -> str:
        """Return where the edge listens for everybody, as seen from the session's container."""
        edge = self.placement.edge
        if edge.network == "host":
            return next(iter(edge.listens_on), "127.0.0.1")
        container = self.engine.container(edge.name)
        return "" if container is None else container.addresses.get(edge.name, "")

    def ensure_edge(self, route: Route) -> None:
        """Make sure that the edge runs and publishes the ports that a route needs."""
        # Beside https the edge listens for plain requests, to redirect them.
        redirects = route.certificate is not None and route.port == 443
        ports = {route.port, 80} if redirects else {route.port}
        edge = self.placement.edge
        if edge.network != "host":
            ports |= {backend.port for backend in self.edge.state().backends.values()}
        edge_host.ensure_edge(self.engine, edge, ports, self.clock)
        if edge.network != "host":
            self.engine.connect_network(self.placement.network, edge.name)

    def renew_edge(self) -> str:
        """Replace an edge that is older than ours without losing a request; say what was done."""
        return edge_host.renew_edge(
            self.engine, self.placement.edge, self.clock, on_ready=self.edge.restore_health
        )

    def create_replica(
        self,
        release: Release,
        role: Role,
        *,
        number: int,
        index: int,
        secrets: Mapping[str, Secret],
    ) -> Container:
        """Create a replica that has yet to be started, at a free address of its network."""
        address = self.addresses.allocate(self.engine, self.placement.network)
        spec = replica_spec(
            self.placement,
            release,
            role,
            number=number,
            index=index,
            address=address,
            secrets=secrets,
        )
        self.session.ping()
        return Container.of(spec, self._create(spec))

    def start_replica(self, created: Container, recreate: Callable[[], Container]) -> Container:
        """Start what `create_replica` made.

        Args:
            recreate: creates it again at another address, where another container took this one's
                between the look and the start.

        Returns the container that runs.

        Raises:
            DeploymentFailed: it cannot be started; nothing of it is left then.
        """
        for _ in range(_ADDRESS_TRIES):
            try:
                self.engine.start(created.id)
            except DeploymentFailed as error:
                self.engine.remove(created.id, volumes=True)
                if error.code is not ErrorCode.ADDRESS_IN_USE:
                    raise
                created = recreate()
            else:
                return dataclasses.replace(created, status="running")
        self.engine.remove(created.id, volumes=True)
        raise DeploymentFailed(
            f"{self.name}: other containers take every address of {self.placement.network} first",
            remedy=f"docker network inspect {self.placement.network}",
            code=ErrorCode.ADDRESS_IN_USE,
        )

    def _create(self, spec: ContainerSpec) -> str:
        try:
            return self.engine.create(spec)
        except NameTaken:
            existing = self.engine.container(spec.name)
            number = "deploy-action.deployment"
            if existing is not None and existing.labels.get(number) != spec.labels[number]:
                raise DeploymentFailed(
                    f"{self.name}: the name {spec.name} is taken by another user's container",
                    remedy=f"docker rename {spec.name} NEW-NAME",
                    code=ErrorCode.NAME_TAKEN,
                ) from None
            # The answer to an earlier create was lost: it is this very container.
            if existing is not None:
                self.engine.remove(existing.id, volumes=True)
            return self.engine.create(spec)


def observe(host: Host, wanted: Iterable[str]) -> HostObservation:
    """Look at a host without changing anything.

    Args:
        wanted: references to look for, besides those of recent releases.
    """
    engine, placement, backend = host.engine, host.placement, host.backend
    # The engine and the session are asked at the same time: distance costs once.
    with ThreadPoolExecutor(max_workers=_PARALLEL_QUERIES) as pool:
        containers = pool.submit(engine.containers, placement.selector())
        (ledger, key), (edge, servers) = host.session.ask(
            pair(
                pair(host.ledger.read_query(), get(host.key_path)),
                # The edge may be down while its configuration is there.
                pair(written_state(host.name), optional(server_statuses(backend))),
            )
        )
        host.cache.keep(edge)
        ledger = host.ledger.complete(ledger)
        recent = {entry.release.reference: None for entry in reversed(ledger.entries)}
        references = tuple(dict.fromkeys([*wanted, *list(recent)[:_RECENT_IMAGES]]))
        present = [pool.submit(engine.image, reference) for reference in references]
        images = {
            reference: image
            for reference, answer in zip(references, present, strict=True)
            if (image := answer.result()) is not None
        }
    written = edge.backends.get(backend)
    return HostObservation(
        host=host.name,
        ledger=ledger,
        replicas=tuple(map(Replica.read, containers.result())),
        backend=written,
        image_ids={reference: image.id for reference, image in images.items()},
        without_healthcheck=frozenset(
            reference for reference, image in images.items() if not image.healthcheck
        ),
        image_volumes={reference: image.volumes for reference, image in images.items()},
        servers=None if written is None else servers,
        edge=edge,
        fingerprint_key=key,
        subnet=host.addresses.subnet or None,
    )


@contextlib.contextmanager
def open_reader(
    name: str, engine: Engine, placement: Placement, clock: Clock, signatures: Signatures
) -> Iterator[Host | None]:
    """Open a session that takes no lock, for looking only; None where nothing was deployed yet.

    It is a command in the edge's container, or, where no edge runs (a host of workers), a
    container of its own that ends with the session.
    """
    edge = placement.edge
    container = engine.container(edge.name)
    if container is not None and container.running:
        carrier, stream = container.id, engine.connect(container.id, edge_host.reader_argv())
    elif engine.image(edge_host.edge_image(edge)) is None or not engine.has_volume(edge.name):
        # A reader would make the volume: a command that only looks leaves nothing.
        yield None
        return
    else:
        spec = edge_host.lock_spec(edge, f"{edge.name}-reader-{os.urandom(6).hex()}", {})
        carrier, stream = _start_reader(engine, spec)
    # Asked only where deploy.yaml says what it should be.
    subnet = engine.networks().get(placement.network, "") if edge.subnet is not None else ""
    with contextlib.closing(Session(engine.host, stream)) as session:
        yield Host(
            name=name,
            engine=engine,
            placement=placement,
            clock=clock,
            signatures=signatures,
            session=session,
            dialer=HostDialer(engine=engine, container_id=carrier),
            addresses=IpAllocator(subnet=subnet),
        )


def _start_reader(engine: Engine, spec: ContainerSpec) -> tuple[str, socket.socket]:
    with contextlib.ExitStack() as undo:
        carrier = engine.create(spec)
        undo.callback(engine.remove, carrier)
        stream = undo.enter_context(contextlib.closing(engine.attach(carrier)))
        engine.start(carrier)
        undo.pop_all()
    return carrier, stream
