"""Takes the lock of one host and opens its session."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from deploy_action.platforms.docker.addresses import IpAllocator
from deploy_action.platforms.docker.dialer import HostDialer
from deploy_action.platforms.docker.edge.host import (
    ensure_edge_network,
    ensure_image,
    ensure_network,
    lock_spec,
)
from deploy_action.platforms.docker.engine.protocol import ImageMissing
from deploy_action.platforms.docker.host import Host
from deploy_action.platforms.docker.lock import Lock, acquire, lock_name

if TYPE_CHECKING:
    from deploy_action.clock import Clock
    from deploy_action.events.stream import EventStream
    from deploy_action.parallel import Cancel
    from deploy_action.platforms.docker.engine.protocol import ContainerSpec, Engine
    from deploy_action.platforms.docker.replicas import Placement
    from deploy_action.platforms.protocol import Holder
    from deploy_action.releases.signatures import Signatures

__all__ = ["lock_host"]


def lock_host(
    name: str,
    engine: Engine,
    placement: Placement,
    *,
    labels: Mapping[str, str],
    wait_seconds: float,
    clock: Clock,
    cancel: Cancel,
    signatures: Signatures,
    events: EventStream,
) -> tuple[Lock, Host]:
    """Take a host's lock; image, volume and network are brought there where it lacks them.

    Raises:
        LockHeld: another user is deploying there.
    """
    edge = placement.edge
    spec = lock_spec(edge, lock_name(edge.name, placement.service, placement.environment), labels)

    def provide_network() -> str:
        return ensure_network(engine, edge, placement.network, placement.labels)

    def take() -> Lock:
        return _acquire(name, engine, spec, wait_seconds, clock, cancel, events)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="network") as beside:
        network = beside.submit(provide_network)
        # The lock's own container will be in it.
        ensure_edge_network(engine, edge)
        try:
            lock = take()
        except ImageMissing:
            # It may be bringing the image, too.
            network.result()
            with events.waiting("bringing the image of the edge", host=name):
                ensure_image(engine, edge)
            lock = take()
    try:
        # A removal that was waited for took the network away.
        subnet = provide_network() if lock.waited else network.result()
        if edge.network != "host":
            engine.connect_network(placement.network, lock.container_id)
        host = Host(
            name=name,
            engine=engine,
            placement=placement,
            clock=clock,
            signatures=signatures,
            session=lock.session,
            dialer=HostDialer(engine=engine, container_id=lock.container_id),
            addresses=IpAllocator(subnet=subnet),
        )
    except BaseException:
        lock.release()
        raise
    return lock, host


def _acquire(
    host: str,
    engine: Engine,
    spec: ContainerSpec,
    wait_seconds: float,
    clock: Clock,
    cancel: Cancel,
    events: EventStream,
) -> Lock:
    """Acquire the lock, and say who has it while it is waited for."""
    with contextlib.ExitStack() as waits:
        told: list[Callable[[str], None]] = []

        def on_held(other: Holder) -> None:
            if not told:
                limit = wait_seconds or None
                wait = events.waiting("waiting for the lock", host=host, limit_seconds=limit)
                told.append(waits.enter_context(wait))
            told[0](f"held by {other}")

        return acquire(
            engine,
            spec,
            wait_seconds=wait_seconds,
            clock=clock,
            cancel=cancel.event,
            on_held=on_held,
        )
