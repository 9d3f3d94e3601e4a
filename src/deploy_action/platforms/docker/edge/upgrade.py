"""Replaces a running edge by a newer one, which takes over its listening sockets.

    NAME serves → NAME-next starts and receives the sockets of NAME (image/edge)
      → NAME is told to stop and completes its open requests → NAME-next is renamed to NAME

Every step may be done already: the next command continues where a killed one stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, TypeVar

from deploy_action.clock import Clock
from deploy_action.config.model import EdgeOptions
from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.edge import artifact
from deploy_action.platforms.docker.engine.protocol import (
    Container,
    ContainerSpec,
    Engine,
    NameTaken,
)

__all__ = [
    "REVISION",
    "complete_replacement",
    "is_older",
    "remove_ended",
    "replace_edge",
    "require_edge",
    "serves",
    "start_edge",
    "wait_until",
]

T = TypeVar("T")

REVISION = "deploy-action.edge-revision"
_EDGE = "deploy-action.edge"
_KIND = "deploy-action.kind"
_READY_SECONDS = 10.0
_OTHERS_SECONDS = 20.0
_POLL_SECONDS = 0.02
_STOP_SECONDS = 1.0
# Through the socket that only this container has: the one in the volume belongs to the old edge
# until the new one runs.
_SHOW_PROCESSES = (
    "sh",
    "-c",
    "echo 'show proc' | socat -t 5 - UNIX-CONNECT:/run/master.sock",
)
_RESTORE_SOCKET = (
    "sh",
    "-c",
    """cd /state/run
    socat -u OPEN:/dev/null UNIX-CONNECT:master.sock || mv -T master-old.sock master.sock""",
)


def require_edge(engine: Engine, container: Container) -> None:
    """Raise DeploymentFailed where the container that has an edge's name is none."""
    if _EDGE not in container.labels:
        raise DeploymentFailed(
            f"{engine.host}: the name {container.name} is taken by a container that is not an edge",
            remedy=f"docker rename {container.name} NEW-NAME, or set edge.name in deploy.yaml",
            code=ErrorCode.NAME_TAKEN,
        )


def start_edge(engine: Engine, spec: ContainerSpec) -> str:
    """Create and start an edge, and return its id.

    An engine whose own limit of open files is lower refuses the edge's; its own holds then.

    Raises:
        NameTaken: another command has created it.
    """
    created = engine.create(spec)
    try:
        engine.start(created)
    except DeploymentFailed:
        if spec.open_files is None:
            raise
        engine.remove(created)
        return start_edge(engine, replace(spec, open_files=None))
    return created


def is_older(engine: Engine, options: EdgeOptions, container: Container) -> bool:
    """Tell whether an edge has an older revision, or another image than deploy.yaml names."""
    if options.image is None:
        revision = container.labels.get(REVISION, "0")
        return (int(revision) if revision.isdigit() else 0) < artifact.revision()
    image = engine.image(options.image)
    return image is not None and image.id != container.image_id


def replace_edge(
    engine: Engine,
    options: EdgeOptions,
    spec: ContainerSpec,
    old: Container,
    clock: Clock,
    on_ready: Callable[[], None] = lambda: None,
) -> str:
    """Replace a running edge by a newer one, and return a note on what was done.

    Args:
        on_ready: called when the new edge serves, while the old one still runs.

    Raises:
        DeploymentFailed: the new one does not start; the old one continues to serve.
    """
    next_name = _next(options)
    try:
        created = start_edge(engine, replace(spec, name=next_name, restart="no"))
    except NameTaken:
        if _replaced_by_others(engine, options, clock):
            return ""
        container = engine.container(next_name)
        if container is None:
            return ""
        require_edge(engine, container)
        created = container.id
        engine.start(created)

    if wait_until(lambda: _status(engine, created), clock, _READY_SECONDS) != "serves":
        logs = engine.logs(created, lines=10).strip()
        engine.remove(created)
        # The new edge may have moved the socket of the old one's master.
        engine.execute(old.id, _RESTORE_SOCKET, timeout_seconds=5)
        raise DeploymentFailed(
            f"{engine.host}: the newer edge did not start, the old one serves: {logs}",
            remedy=f"docker logs {options.name}; edge.image in deploy.yaml keeps another image",
        )
    on_ready()
    # Both edges accept connections until the old one receives the signal.
    engine.set_restart(created, "unless-stopped")
    engine.set_restart(old.id, "no")
    engine.kill(old.id, "USR1")
    _exchange_names(engine, options, old, created)
    engine.wait(old.id, timeout_seconds=_STOP_SECONDS)
    remove_ended(engine, options)
    return f"{engine.host}: the edge was replaced by a newer one"


def complete_replacement(engine: Engine, options: EdgeOptions, old: Container | None) -> bool:
    """Complete the replacement that a killed command began; False where there is none.

    Args:
        old: the container that has the edge's name; it does not run.
    """
    container = engine.container(_next(options))
    if container is None:
        return False
    if not container.running:
        engine.remove(container.id)
        return False
    engine.set_restart(container.id, "unless-stopped")
    _exchange_names(engine, options, old, container.id)
    return True


def remove_ended(engine: Engine, options: EdgeOptions) -> None:
    """Remove replaced edges whose last connection has ended."""
    for container in engine.containers({_EDGE: options.name, _KIND: "edge"}):
        if container.name.startswith(_old(options)) and not container.running:
            engine.remove(container.id)


def _next(options: EdgeOptions) -> str:
    return f"{options.name}-next"


def _old(options: EdgeOptions) -> str:
    return f"{options.name}-old-"


def _exchange_names(engine: Engine, options: EdgeOptions, old: Container | None, new: str) -> None:
    if old is not None:
        engine.rename(old.id, f"{_old(options)}{old.id[:12]}")
    engine.rename(new, options.name)


def _replaced_by_others(engine: Engine, options: EdgeOptions, clock: Clock) -> bool:
    """Wait while another service's deployment replaces the edge; tell whether it did."""

    def done() -> bool:
        container = engine.container(options.name)
        return (
            container is not None and container.running and not is_older(engine, options, container)
        )

    return wait_until(done, clock, _OTHERS_SECONDS)


def serves(engine: Engine, id_or_name: str) -> bool:
    """Tell whether the edge in this container has a worker."""
    return _status(engine, id_or_name) == "serves"


def _status(engine: Engine, id_or_name: str) -> Literal["serves", "ended", ""]:
    """Return the status of an edge by its own master; empty while it starts."""
    container = engine.container(id_or_name)
    if container is None or not container.running:
        return "ended"
    shown = engine.execute(container.id, _SHOW_PROCESSES, timeout_seconds=5)
    return "serves" if shown.exit_code == 0 and " worker " in shown.output else ""


def wait_until(condition: Callable[[], T], clock: Clock, seconds: float) -> T:
    """Wait until a condition is true, for at most `seconds`, and return its last value."""
    deadline = clock.monotonic() + seconds
    while not (value := condition()) and clock.monotonic() < deadline:
        clock.sleep(_POLL_SECONDS)
    return value
