"""ps: every container that deploy-action made on the hosts of an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.commands.command import ENVIRONMENT, READ_EXITS, Command
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.parallel import run_parallel
from deploy_action.platforms.connection import connect_platform
from deploy_action.results.reports import Process, Processes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.docker.engine import Engine
    from deploy_action.platforms.docker.engine.protocol import Container

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="ps",
    summary="list the containers of all services on the hosts",
    description=(
        "Lists what deploy-action runs on the hosts of an environment: every service in every"
        " environment, kept replicas, hooks and tasks, locks and edges. `status` says more about one"
        " environment."
    ),
    examples=(("deploy-action ps -e production", "everything on production's hosts"),),
    options=(ENVIRONMENT,),
    exits=READ_EXITS,
)

_PREFIX = "deploy-action."


def run(inputs: Inputs, events: EventStream) -> Processes:
    """List the containers that have our labels, whatever their service and edge."""
    target = select_environment(load(inputs.config), inputs.environment)
    with connect_platform(target, inputs, events, partial=True) as connection:
        engines: Mapping[str, Engine] = connection.platform.engines
        found = run_parallel(
            lambda name: [
                _process(name, container)
                for container in engines[name].containers({f"{_PREFIX}edge": ""})
            ],
            list(engines),
        )
        unreachable = tuple(connection.platform.unreachable.values())
    rows = [process for processes in found for process in processes]
    return Processes(
        environment=target.name,
        processes=tuple(
            sorted(rows, key=lambda p: (p.host, p.service, p.environment, p.role, p.name))
        ),
        notes=unreachable,
    )


def _process(host: str, container: Container) -> Process:
    labels = {name.removeprefix(_PREFIX): text for name, text in container.labels.items()}
    kind = labels.get("kind", "")
    return Process(
        host=host,
        service=labels.get("service", kind),
        environment=labels.get("environment", ""),
        name=container.name,
        version=labels.get("version", ""),
        role=labels.get("role", kind),
        state=container.status,
        health="" if container.health == "none" else container.health,
        restarts=container.restarts,
        up_since=container.started_at if container.running else "",
    )
