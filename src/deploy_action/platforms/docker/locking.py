"""A host's lock, taken as early as can be: this module imports what that needs, and no more."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from deploy_action.platforms.docker.edge.host import ensure_image, ensure_network, lock_spec
from deploy_action.platforms.docker.engine.protocol import ImageMissing
from deploy_action.session.lock import Lock, acquire, lock_name

if TYPE_CHECKING:
    from deploy_action.clock import Clock
    from deploy_action.config.model import Environment
    from deploy_action.platforms.docker.engine.protocol import Engine
    from deploy_action.platforms.docker.host import Host

__all__ = ["lock_host"]


def lock_host(
    host: str,
    engine: Engine,
    environment: Environment,
    *,
    labels: Mapping[str, str],
    wait_seconds: float,
    clock: Clock,
    cancel: threading.Event,
) -> tuple[Lock, Host]:
    """Take a host's lock; image, volume and network are brought there where it lacks them.

    Raises:
        LockHeld: somebody else is deploying there.
    """
    options = environment.edge
    name = lock_name(options.name, environment.service, environment.name)
    spec = lock_spec(options, name, labels)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="network") as beside:
        network = beside.submit(ensure_network, engine, options.name)
        if options.network != "host":
            # It is where the lock itself will be.
            network.result()
        try:
            lock = acquire(engine, spec, wait_seconds=wait_seconds, clock=clock, cancel=cancel)
        except ImageMissing:
            ensure_image(engine, options)
            lock = acquire(engine, spec, wait_seconds=wait_seconds, clock=clock, cancel=cancel)
    try:
        from deploy_action.platforms.docker.addresses import IpAllocator
        from deploy_action.platforms.docker.dialer import HostDialer
        from deploy_action.platforms.docker.host import Host

        site = Host(
            host=host,
            engine=engine,
            environment=environment,
            clock=clock,
            session=lock.session,
            dialer=HostDialer(engine=engine, container_id=lock.container_id),
            addresses=IpAllocator(subnet=network.result()),
        )
    except BaseException:
        lock.release()
        raise
    return lock, site
