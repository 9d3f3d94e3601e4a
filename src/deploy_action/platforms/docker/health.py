"""Waits until a replica is healthy, and makes sure that it is the release it should be."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from deploy_action.checks.health import Streak, explain_exit, explain_unhealthy
from deploy_action.config.model import Health
from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.parallel import Cancel
from deploy_action.platforms.docker.edge.state import ServerStatus
from deploy_action.platforms.docker.engine.protocol import Container
from deploy_action.platforms.docker.host import Host
from deploy_action.platforms.docker.replicas import Replica
from deploy_action.releases.model import Release

__all__ = ["await_healthy", "require_release"]

_POLL_SECONDS = (0.02, 0.2)
_POLL_SHARE = 0.1
"""Each look costs a host's cores some milliseconds, just when its replicas need them to start. So the
pause grows with the wait: a tenth of it, and at most 0.2 s."""
_OTHERS = "another user changes the containers of this service at the same time"


def await_healthy(host: Host, replica: Replica, health: Health, cancel: Cancel) -> None:
    """Return when the replica is healthy; a container that ends is noticed at once.

    Raises:
        DeploymentFailed: it ended, or it was not healthy within the deadline.
    """
    look = _look(host, replica, health)
    begun = host.clock.monotonic()
    deadline = begun + health.deadline_seconds
    while True:
        cancel.check()
        # The engine and the edge are asked at the same time: distance costs once.
        with ThreadPoolExecutor(max_workers=1) as beside:
            inspected = beside.submit(host.engine.container, replica.container.id)
            status = look.edge()
        container = inspected.result()
        if container is None or not container.running:
            why = "it was removed by another user" if container is None else explain_exit(container)
            raise DeploymentFailed(
                f"{host.name}: {replica.name} ended at start: {why}",
                remedy=f"look at its log below; try it by hand: docker run --rm {replica.image}",
                code=ErrorCode.REPLICA_EXITED,
            )
        if look.healthy(container, status):
            return
        now = host.clock.monotonic()
        if now >= deadline:
            raise DeploymentFailed(
                f"{host.name}: {replica.name} was not healthy within "
                f"{health.deadline_seconds:g} s: {explain_unhealthy(health, status, container)}",
                remedy="look at its log below; a slow starter needs a longer health.deadline",
                code=ErrorCode.REPLICA_UNHEALTHY,
            )
        host.clock.sleep(look.pause_seconds or _pause(now - begun))


def _pause(waited_seconds: float) -> float:
    """Return how long to wait for the next look."""
    least, most = _POLL_SECONDS
    return min(max(waited_seconds * _POLL_SHARE, least), most)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """How health is seen: what the edge is asked, and what follows from that and the container.

    Attributes:
        pause_seconds: between two looks; None for a pause that grows with the wait.
    """

    edge: Callable[[], ServerStatus | None] = lambda: None
    healthy: Callable[[Container, ServerStatus | None], bool]
    pause_seconds: float | None = None


def _look(host: Host, replica: Replica, health: Health) -> _Look:
    """Choose how health is seen: by the edge's own checks, Docker's, a command, or by staying up."""
    match health.kind:
        case "http" | "tcp":
            return _Look(
                edge=lambda: host.edge.servers(host.backend).get(replica.name),
                healthy=lambda _, status: status is not None and status.up and status.checked,
            )
        case "docker":
            return _Look(healthy=lambda container, _: container.health == "healthy")
        case "command":
            return _Look(
                healthy=_by_command(host, replica, health), pause_seconds=health.interval_seconds
            )
        case "running":
            return _Look(healthy=_by_staying_up(host, health))


def _by_command(host: Host, replica: Replica, health: Health) -> Callable[..., bool]:
    streak = Streak(health.successes)

    def look(*_: object) -> bool:
        done = host.engine.execute(
            replica.container.id, health.command, timeout_seconds=health.timeout_seconds
        )
        return streak.add(done.exit_code == 0)

    return look


def _by_staying_up(host: Host, health: Health) -> Callable[..., bool]:
    since = host.clock.monotonic()
    needed = max(1.0, health.successes * health.interval_seconds)
    return lambda *_: host.clock.monotonic() - since >= needed


def require_release(host: Host, replica: Replica, release: Release) -> None:
    """Make sure that the container behind the address is this release's image.

    What the application itself says of its version is a check of its own.

    Raises:
        DeploymentFailed: it is another image, or it has another address than the edge was told.
    """
    # The engine and the session are asked at the same time: distance costs once.
    with ThreadPoolExecutor(max_workers=2) as pool:
        inspected = pool.submit(host.engine.container, replica.container.id)
        expected = pool.submit(host.engine.image, release.reference)
        # The file itself, not what this process remembers of it.
        routed = release.configuration.route is not None
        backend = host.edge.backend(host.backend) if routed else None
    container, image = inspected.result(), expected.result()
    if container is None or image is None or container.image_id != image.id:
        has = "nothing" if container is None else container.image_id
        raise DeploymentFailed(
            f"{host.name}: {replica.name} runs {has} where {release.reference} was expected",
            cause=_OTHERS,
            remedy=f"docker inspect {replica.name}, then deploy again",
            code=ErrorCode.WRONG_RELEASE,
        )
    address = replica.address(host.placement)
    for server in () if backend is None else backend.servers:
        if server.name == replica.name and server.address != address:
            raise DeploymentFailed(
                f"{host.name}: {replica.name} is at {address}, but the edge was told "
                f"{server.address}",
                cause=_OTHERS,
                remedy=f"docker inspect {replica.name}, then deploy again",
                code=ErrorCode.WRONG_RELEASE,
            )
