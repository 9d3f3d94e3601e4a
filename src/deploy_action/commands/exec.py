"""exec: run a command in a replica that serves, with the terminal that one sits at."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from deploy_action.commands.command import (
    ENVIRONMENT,
    READ_EXITS,
    Arguments,
    Command,
    option,
)
from deploy_action.commands.live import require_live
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.errors import BadInput, ErrorCode
from deploy_action.platforms.connection import connect_platform
from deploy_action.platforms.docker.replicas import of_release
from deploy_action.results.reports import Session
from deploy_action.terminal import is_terminal, relay

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.docker.observation import DockerObservation
    from deploy_action.platforms.docker.replicas import Replica

__all__ = ["COMMAND", "SELECTION", "run", "talk"]

SELECTION = (
    ENVIRONMENT,
    option("--host", "HOST", "on this host (default: the first)", field="host"),
    option("--replica", "N", "in this replica (default: 1)", kind="count"),
)

COMMAND = Command(
    name="exec",
    summary="run a command in a replica that serves",
    description=(
        "Runs a command in a container that has traffic, with its input, and with its terminal if"
        " there is one. The exit code is the command's own. What needs a container of its own, such"
        " as a migration, is for `run`."
    ),
    examples=(
        ("deploy-action exec -e production -- bin/rails runner 'puts User.count'", "a command"),
        ("deploy-action exec -e production -- cat /etc/hosts", "its output can be piped"),
    ),
    arguments=Arguments(
        field="argv",
        usage="-- COMMAND [ARGUMENT…]",
        help="the command, as a list; no shell reads it",
    ),
    options=SELECTION,
    exits=READ_EXITS,
)


def run(inputs: Inputs, events: EventStream) -> Session:
    """Run `inputs.argv` in a replica of the live release.

    Raises:
        BadInput: there is no such replica, or it does not run.
    """
    return talk(inputs, events, inputs.argv)


def talk(inputs: Inputs, events: EventStream, argv: tuple[str, ...]) -> Session:
    """Run a command in a serving replica, joined with this process's input and output."""
    target = select_environment(load(inputs.config), inputs.environment)
    with connect_platform(target, inputs, events) as connection:
        platform = connection.platform
        host = inputs.host or platform.hosts[0]
        if host not in platform.engines:
            raise BadInput(
                f"{target.name} has no host {host}",
                remedy=f"--host is one of: {', '.join(platform.hosts)}",
                code=ErrorCode.INVALID_ARGUMENT,
            )
        replica = _choose(platform.observe(), target, host, inputs.replica)
        engine, terminal = platform.engines[host], is_terminal()
        interaction = engine.interact(replica.container.id, argv, terminal=terminal)
        with closing(interaction.stream):
            relay(
                interaction.stream,
                terminal=terminal,
                resize=lambda rows, columns: engine.resize(interaction, rows, columns),
            )
        code = engine.exit_code(interaction)
    return Session(
        service=target.service,
        environment=target.name,
        version=replica.version,
        replica=replica.name,
        host=host,
        argv=argv,
        code=code,
    )


def _choose(seen: DockerObservation, target: Environment, host: str, number: int) -> Replica:
    current = require_live(seen.ledger.of(host), target.name)
    replicas = of_release(seen.host(host).replicas, current.release)
    running = [replica for replica in replicas if replica.container.running]
    if len(running) < number:
        raise BadInput(
            f"{host}: {len(running)} replicas of {current.release.version} run, so there is no "
            f"number {number}",
            remedy=f"deploy-action status -e {target.name}",
            code=ErrorCode.INVALID_ARGUMENT,
        )
    return running[number - 1]
