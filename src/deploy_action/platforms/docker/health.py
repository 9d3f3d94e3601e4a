"""Wait until a replica on a host is healthy and prove that it is the release it should be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from deploy_action.checks.health import Streak, explain_exit, explain_unhealthy
from deploy_action.config.model import Environment, Health
from deploy_action.errors import DeploymentFailed, Interrupted
from deploy_action.platforms.docker.edge.state import ServerStatus
from deploy_action.platforms.docker.engine.protocol import Container
from deploy_action.platforms.docker.host import Host
from deploy_action.platforms.docker.replicas import Replica
from deploy_action.releases.model import Release

__all__ = ["Cancel", "await_healthy", "prove_identity"]

_POLL_SECONDS = (0.02, 0.2)
_POLL_SHARE = 0.1
"""Each look costs a host's cores some milliseconds, just when its replicas need them to start. So who
has waited long is asked less often: it waits for a tenth longer at most, and for at most 0.2 s."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Lets waiting steps end when another step failed or a signal came."""

    event: threading.Event

    def check(self) -> None:
        """Raise Interrupted when the deployment is being undone."""
        if self.event.is_set():
            raise Interrupted("stopped, because the deployment is being undone")


def await_healthy(site: Host, replica: Replica, environment: Environment, cancel: Cancel) -> None:
    """Return when the replica is healthy; a container that ends is noticed at once.

    Raises:
        DeploymentFailed: it ended, or it was not healthy within the deadline.
    """
    health = environment.health
    look = _look(site, replica, health)
    begun = site.clock.monotonic()
    deadline = begun + health.deadline_seconds
    while True:
        cancel.check()
        # What is far away costs once.
        with ThreadPoolExecutor(max_workers=1) as beside:
            inspected = beside.submit(site.engine.container, replica.container.id)
            status = look.edge()
        found = inspected.result()
        if found is None or not found.running:
            why = "it was removed by somebody" if found is None else explain_exit(found)
            raise DeploymentFailed(
                f"{site.host}: {replica.name} ended at start: {why}",
                remedy=f"look at its log below; try it by hand: docker run --rm {replica.image}",
            )
        if look.healthy(found, status):
            return
        now = site.clock.monotonic()
        if now >= deadline:
            raise DeploymentFailed(
                f"{site.host}: {replica.name} was not healthy within "
                f"{health.deadline_seconds:g} s: {explain_unhealthy(health, status, found)}",
                remedy="look at its log below; a slow starter needs a longer health.deadline",
            )
        site.clock.sleep(_pause(now - begun))


def _pause(waited_seconds: float) -> float:
    """Return how long to wait for the next look."""
    least, most = _POLL_SECONDS
    return min(max(waited_seconds * _POLL_SHARE, least), most)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """How health is seen: what the edge is asked, and what follows from that and the container."""

    edge: Callable[[], ServerStatus | None] = lambda: None
    healthy: Callable[[Container, ServerStatus | None], bool]


def _look(site: Host, replica: Replica, health: Health) -> _Look:
    """Choose how health is seen: by the edge's own checks, Docker's, a command, or by staying up."""
    match health.kind:
        case "http" | "tcp":
            return _Look(
                edge=lambda: site.edge.servers(site.backend).get(replica.name),
                healthy=lambda _, status: status is not None and status.up and status.checked,
            )
        case "docker":
            return _Look(healthy=lambda found, _: found.health == "healthy")
        case "command":
            return _Look(healthy=_by_command(site, replica, health))
        case "running":
            return _Look(healthy=_by_staying_up(site, health))


def _by_command(site: Host, replica: Replica, health: Health) -> Callable[..., bool]:
    streak = Streak(health.successes)

    def look(*_: object) -> bool:
        ended = site.engine.execute(
            replica.container.id, health.command, timeout_seconds=health.timeout_seconds
        )
        enough = streak.add(ended.exit_code == 0)
        if not enough:
            site.clock.sleep(health.interval_seconds)
        return enough

    return look


def _by_staying_up(site: Host, health: Health) -> Callable[..., bool]:
    since = site.clock.monotonic()
    needed = max(1.0, health.successes * health.interval_seconds)
    return lambda *_: site.clock.monotonic() - since >= needed


def prove_identity(
    site: Host, replica: Replica, environment: Environment, release: Release
) -> None:
    """Make sure that the container behind the address is this release's image.

    What the application itself says of its version is asked for by the smoke tests' identity.

    Raises:
        DeploymentFailed: it is another image, or it has another address than the edge was told.
    """
    # What is far away costs once.
    with ThreadPoolExecutor(max_workers=2) as pool:
        container = pool.submit(site.engine.container, replica.container.id)
        wanted = pool.submit(site.engine.image, release.reference)
        # The file itself, not what this process remembers of it.
        backend = site.edge.backend(site.backend) if environment.route is not None else None
    found, image = container.result(), wanted.result()
    if found is None or image is None or found.image_id != image.id:
        has = "nothing" if found is None else found.image_id
        raise DeploymentFailed(
            f"{site.host}: {replica.name} runs {has} where {release.reference} was expected",
            cause="somebody else changes the containers of this service at the same time",
            remedy=f"docker inspect {replica.name}, then deploy again",
        )
    for server in () if backend is None else backend.servers:
        if server.name == replica.name and server.address != site.replica_address(replica):
            raise DeploymentFailed(
                f"{site.host}: {replica.name} is at {site.replica_address(replica)}, but the edge "
                f"was told {server.address}",
                cause="somebody else changes the containers of this service at the same time",
                remedy=f"docker inspect {replica.name}, then deploy again",
            )
