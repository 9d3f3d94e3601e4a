"""Replace a running edge by a newer one, which takes its listening sockets over: nothing is lost.

    NAME serves → NAME-next starts beside it and is handed its sockets (platforms/docker/edge/image/edge)
      → NAME is told to end: it lets its requests under way finish → names are exchanged

Every step can be found done already: the next command goes on where a dead one stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, TypeVar

from deploy_action.clock import Clock
from deploy_action.config.model import EdgeOptions
from deploy_action.errors import DeploymentFailed
from deploy_action.platforms.docker.edge import artifact
from deploy_action.platforms.docker.engine.protocol import (
    Container,
    ContainerSpec,
    Engine,
    NameTaken,
)

__all__ = ["REVISION", "finish", "is_older", "replace_edge", "serves", "sweep_ended", "until"]

_Answer = TypeVar("_Answer")

REVISION = "deploy-action.edge-revision"
_READY_SECONDS = 10.0
_OTHERS_SECONDS = 20.0
_POLL_SECONDS = 0.02
_ENDING_SECONDS = 1.0
# By the socket that only this container has: whoever asks at the one in the volume is answered by
# the older edge until the newer one has begun, and would end the older one too early.
_ASK_THE_MASTER = (
    "sh",
    "-c",
    "echo 'show proc' | socat -t 5 - UNIX-CONNECT:/run/master.sock",
)
_GIVE_BACK = (
    "sh",
    "-c",
    """cd /state/run
    socat -u OPEN:/dev/null UNIX-CONNECT:master.sock || mv -T master-before.sock master.sock""",
)


def is_older(engine: Engine, options: EdgeOptions, found: Container) -> bool:
    """Say whether this edge should make room: for a newer image of ours, or for the one that
    deploy.yaml names."""
    if options.image is None:
        said = found.labels.get(REVISION, "0")
        return (int(said) if said.isdigit() else 0) < artifact.revision()
    wanted = engine.image(options.image)
    return wanted is not None and wanted.id != found.image_id


def replace_edge(
    engine: Engine,
    options: EdgeOptions,
    spec: ContainerSpec,
    old: Container,
    clock: Clock,
    begun: Callable[[], None] = lambda: None,
) -> str:
    """Put a newer edge in the place of one that runs, and say in words what was done.

    Args:
        begun: called when the newer one serves, beside the older one still.

    Raises:
        DeploymentFailed: the newer one does not start; the old one goes on serving.
    """
    coming = _next(options)
    try:
        created = engine.create(replace(spec, name=coming, restart="no"))
        engine.start(created)
    except NameTaken:
        if _others_did_it(engine, options, clock):
            return ""
        found = engine.container(coming)
        if found is None:
            return ""
        if "deploy-action.edge" not in found.labels:
            raise DeploymentFailed(
                f"{engine.host}: the name {coming} is taken by a container that is not an edge",
                remedy=f"docker rename {coming} NEW-NAME",
            ) from None
        created = found.id
        engine.start(created)

    if until(lambda: _fate(engine, created), clock, _READY_SECONDS) != "serves":
        said = engine.logs(created, lines=10).strip()
        engine.remove(created)
        _give_back(engine, old)
        raise DeploymentFailed(
            f"{engine.host}: the newer edge did not start, the old one serves: {said}",
            remedy=f"docker logs {options.name}; edge.image in deploy.yaml keeps an image of yours",
        )
    begun()
    # From here on two edges accept connections, until the old one has heard that it is to end.
    engine.set_restart(created, "unless-stopped")
    engine.set_restart(old.id, "no")
    engine.kill(old.id, "USR1")
    _exchange_names(engine, options, old, created)
    engine.wait(old.id, timeout_seconds=_ENDING_SECONDS)
    sweep_ended(engine, options)
    return f"{engine.host}: the edge was replaced by a newer one"


def finish(engine: Engine, options: EdgeOptions, old: Container | None) -> bool:
    """Complete what an earlier command began; False where there is nothing of that kind.

    Args:
        old: the container that has the edge's name; it does not run.
    """
    found = engine.container(_next(options))
    if found is None:
        return False
    if not found.running:
        engine.remove(found.id)
        return False
    engine.set_restart(found.id, "unless-stopped")
    _exchange_names(engine, options, old, found.id)
    return True


def sweep_ended(engine: Engine, options: EdgeOptions) -> None:
    """Remove older edges whose last connection has ended."""
    ours = {"deploy-action.edge": options.name, "deploy-action.kind": "edge"}
    for container in engine.containers(ours):
        if container.name.startswith(_before(options)) and not container.running:
            engine.remove(container.id)


def _next(options: EdgeOptions) -> str:
    return f"{options.name}-next"


def _before(options: EdgeOptions) -> str:
    return f"{options.name}-before-"


def _exchange_names(engine: Engine, options: EdgeOptions, old: Container | None, new: str) -> None:
    if old is not None:
        engine.rename(old.id, f"{_before(options)}{old.id[:12]}")
    engine.rename(new, options.name)


def _others_did_it(engine: Engine, options: EdgeOptions, clock: Clock) -> bool:
    """Wait for another service's deployment that replaces the edge at this moment."""

    def done() -> bool:
        found = engine.container(options.name)
        return found is not None and found.running and not is_older(engine, options, found)

    return until(done, clock, _OTHERS_SECONDS)


def serves(engine: Engine, id_or_name: str) -> bool:
    """Say whether this edge, and no other, has a worker."""
    return _fate(engine, id_or_name) == "serves"


def _fate(engine: Engine, id_or_name: str) -> Literal["serves", "ended", ""]:
    """Say what has become of an edge, by its own master's word; empty while nothing has yet."""
    found = engine.container(id_or_name)
    if found is None or not found.running:
        return "ended"
    said = engine.execute(found.id, _ASK_THE_MASTER, timeout_seconds=5)
    return "serves" if said.exit_code == 0 and " worker " in said.output else ""


def _give_back(engine: Engine, old: Container) -> None:
    """Let the old edge's master be reached again where the newer one had moved its socket.

    One that answers was not moved, and what is called `before` is of an edge before that.
    """
    engine.execute(old.id, _GIVE_BACK, timeout_seconds=5)


def until(condition: Callable[[], _Answer], clock: Clock, seconds: float) -> _Answer:
    """Wait until a condition is true, at most so long, and return what it was last."""
    deadline = clock.monotonic() + seconds
    while not (answer := condition()) and clock.monotonic() < deadline:
        clock.sleep(_POLL_SECONDS)
    return answer
