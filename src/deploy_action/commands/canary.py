"""canary: tell a deployment that is being watched to go on at once, or to roll back."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from deploy_action.commands.command import (
    ACTOR,
    ENVIRONMENT,
    READ_EXITS,
    REASON,
    Arguments,
    Command,
)
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.errors import BadInput, ErrorCode
from deploy_action.parallel import run_parallel
from deploy_action.platforms.connection import connect_platform
from deploy_action.releases.model import State
from deploy_action.results.outcome import Outcome, Result
from deploy_action.session.signals import OperatorCommand, send_command

if TYPE_CHECKING:
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.connection import Connection
    from deploy_action.releases.model import Deployment
    from deploy_action.session.signals import OperatorAction

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="canary",
    summary="promote or abort a deployment that is being watched",
    description=(
        "For a canary's pauses and for the bake: `promote` ends the watching and goes on to all of"
        " the traffic at once, `abort` undoes the deployment as a failed check would. Run it from"
        " another terminal or workflow; the deployment reacts within a second, and its own command"
        " ends with 0 or 4. The ledger records who decided."
    ),
    examples=(
        ("deploy-action canary promote -e production", "it looks good: do not wait longer"),
        ("deploy-action canary abort -e production --reason 'checkout fails'", "take it back"),
    ),
    arguments=Arguments(
        field="switch",
        usage="promote|abort",
        help="go on to all of the traffic, or go back",
        choices=("promote", "abort"),
    ),
    options=(ENVIRONMENT, REASON, ACTOR),
    exits=READ_EXITS,
)


def run(inputs: Inputs, events: EventStream) -> Outcome:
    """Leave the command on every host; the deployer finds it within a second.

    The end of the deployment is told where it runs; nobody waits for it here.

    Raises:
        BadInput: nothing is being deployed there now.
    """
    target = select_environment(load(inputs.config), inputs.environment)
    with connect_platform(target, inputs, events) as connection:
        running = _running(connection)
        command = OperatorCommand(
            number=running.number,
            action=cast("OperatorAction", inputs.switch),
            actor=inputs.actor,
            reason=inputs.reason,
        )

        def send(name: str) -> None:
            with connection.platform.reader(name) as host:
                if host is not None:
                    send_command(host.session, target.service, target.name, command)

        run_parallel(send, connection.platform.hosts)
    does = "goes on at once" if command.action == "promote" else "rolls back"
    return Outcome(
        result=Result.SIGNALLED,
        service=target.service,
        environment=target.name,
        url=target.url or "",
        notes=(f"deployment {running.number} of {running.release.version} {does}",),
    )


def _running(connection: Connection) -> Deployment:
    name, platform = connection.environment.name, connection.platform
    entries = platform.observe().ledger.entries if platform.holders() else ()
    if not entries or entries[-1].state is not State.RUNNING:
        raise BadInput(
            f"{name}: nothing is being deployed there now",
            remedy=f"deploy-action status -e {name}; deploy-action rollback undoes what is live",
            code=ErrorCode.NOTHING_DEPLOYED,
        )
    return entries[-1]
