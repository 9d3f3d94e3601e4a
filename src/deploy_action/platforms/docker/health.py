"""Waits until a replica is healthy, and makes sure that it is the release it should be."""

from __future__ import annotations

import contextlib
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from deploy_action.checks.exchange import NoAnswer
from deploy_action.checks.health import (
    HealthSource,
    HealthWatch,
    Look,
    explain_exit,
    health_check,
    last_answer,
)
from deploy_action.checks.http import HttpRequest, send
from deploy_action.checks.target import Target
from deploy_action.errors import BadInput, DeployActionError, DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.capabilities import MissingRight, missing_right
from deploy_action.platforms.docker.listeners import explain_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from deploy_action.config.model import Health
    from deploy_action.parallel import Cancel
    from deploy_action.platforms.docker.engine.protocol import Container
    from deploy_action.platforms.docker.host import Host
    from deploy_action.platforms.docker.replicas import Replica
    from deploy_action.releases.model import Release

__all__ = ["await_healthy", "health_of", "read_answer", "require_healthcheck", "require_release"]

_BODY_CHARACTERS = 2000
_LOG_LINES = 20
_OTHERS = "another user changes the containers of this service at the same time"


def await_healthy(
    host: Host,
    replica: Replica,
    release: Release,
    cancel: Cancel,
    tell: Callable[[str], None] = lambda _seen: None,
) -> None:
    """Return when the replica is healthy; a container that ends is noticed at once.

    Args:
        tell: told what each look showed.

    Raises:
        DeploymentFailed: it ended, or it was not healthy within the deadline.
    """
    health = health_of(release, replica.role)
    watch = HealthWatch(health)
    begun = host.clock.monotonic()
    while True:
        cancel.check()
        look = _look(host, replica, release, begun)
        if watch.is_healthy(look):
            return
        tell(last_answer(health, look))
        watched = host.clock.monotonic() - begun
        if watched >= health.deadline_seconds:
            why = health_check(health).explain(health, look)
            raise DeploymentFailed(
                f"{host.name}: {replica.name} was not healthy within "
                f"{health.deadline_seconds:g} s: {why}",
                cause=read_answer(host, replica, health) or _why_no_answer(host, replica, health),
                remedy="look at its log below; a slow starter needs a longer health.deadline",
                code=ErrorCode.REPLICA_UNHEALTHY,
            )
        host.clock.sleep(watch.pause_seconds(watched))


def _why_no_answer(host: Host, replica: Replica, health: Health) -> str:
    asked = health_check(health).source is HealthSource.EDGE and replica.port
    return explain_port(host, replica) if asked else ""


def read_answer(host: Host, replica: Replica, health: Health) -> str:
    """Ask an unhealthy replica as the edge does, and return status and body of its answer, as they
    came; empty where there is none."""
    with contextlib.suppress(NoAnswer, DeployActionError, OSError):
        backend = host.edge.backend(host.backend)
        if backend is None or health_check(health).edge_check != "http":
            return ""
        headers = dict(backend.check.headers)
        target = Target(
            where=replica.name,
            dialer=host.dialer,
            address=replica.address(host.placement),
            port=replica.port,
            host_header=headers.pop("Host", ""),
        )
        request = HttpRequest(path=health.path, headers=headers)
        response = send(request, target, clock=host.clock, timeout_seconds=health.timeout_seconds)
        return f"GET {health.path} answers {response.status}: {response.text[:_BODY_CHARACTERS]}"
    return ""


def health_of(release: Release, role: str) -> Health:
    """Return how the health of a role's replicas is seen: by their staying up where neither the
    edge nor a client has anything to ask them."""
    health = release.configuration.health
    if release.answers_requests(role) or health_check(health).source is not HealthSource.EDGE:
        return health
    return dataclasses.replace(health, kind="running")


def require_healthcheck(host: str, release: Release, *, present: bool) -> None:
    """Refuse `kind: docker` where the image has no HEALTHCHECK: nothing would ever be healthy.

    Raises:
        BadInput: deploy.yaml asks for a check that the image lacks.
    """
    if present or health_check(release.configuration.health).source is not HealthSource.CONTAINER:
        return
    raise BadInput(
        f"{host}: health.kind is docker, but {release.image}:{release.version} has no HEALTHCHECK",
        cause="its Dockerfile has no HEALTHCHECK, or HEALTHCHECK NONE",
        remedy="write health: {path: /healthz} (or tcp, command, running) in deploy.yaml, or add "
        "a HEALTHCHECK to the Dockerfile",
        code=ErrorCode.NO_HEALTHCHECK,
    )


def _look(host: Host, replica: Replica, release: Release, begun: float) -> Look:
    """Look at a running replica once.

    Raises:
        DeploymentFailed: it has ended.
    """
    health, container_id = health_of(release, replica.role), replica.container.id
    source = health_check(health).source
    # The engine and the edge are asked at the same time: distance costs once.
    with ThreadPoolExecutor(max_workers=1) as beside:
        inspected = beside.submit(host.engine.container, container_id)
        statuses = host.edge.servers(host.backend) if source is HealthSource.EDGE else {}
    container = inspected.result()
    if container is None or not container.running:
        why = "it was removed by another user" if container is None else explain_exit(container)
        lacks = None if container is None else _missing_right(host, container, release)
        by_hand = f"look at its log below; try it by hand: docker run --rm {replica.image}"
        raise DeploymentFailed(
            f"{host.name}: {replica.name} ended at start: {why}",
            cause="" if lacks is None else lacks.cause,
            remedy=by_hand if lacks is None else lacks.remedy,
            code=exit_error(container),
        )
    exit_code = None
    if source is HealthSource.COMMAND:
        done = host.engine.execute(
            container_id, health.command, timeout_seconds=health.timeout_seconds
        )
        exit_code = done.exit_code
    return Look(
        container=container,
        server=statuses.get(replica.name),
        exit_code=exit_code,
        watched_seconds=host.clock.monotonic() - begun,
    )


def _missing_right(host: Host, container: Container, release: Release) -> MissingRight | None:
    """Look in the log of an ended replica for the kernel's words about a right that it lacks."""
    configuration = release.configuration
    with contextlib.suppress(DeployActionError):
        image = host.engine.image(container.image_id)
        user = configuration.user or ("" if image is None else image.user)
        log = host.engine.logs(container.id, lines=_LOG_LINES)
        return missing_right(log, configuration.options, user)
    return None


def exit_error(container: Container | None) -> ErrorCode:
    """Return what identifies the end of a container that should run."""
    if container is not None and container.out_of_memory:
        return ErrorCode.OUT_OF_MEMORY
    return ErrorCode.REPLICA_EXITED


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
