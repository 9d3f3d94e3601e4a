"""canary: tell a deployment that is being watched to go on at once, or to go back."""

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
from deploy_action.errors import BadInput
from deploy_action.parallel import run_parallel
from deploy_action.platforms.docker.connections import connect_hosts
from deploy_action.releases.model import State
from deploy_action.results.outcome import Outcome, Result
from deploy_action.session.lock import current, lock_name
from deploy_action.session.signals import OperatorCommand, send_command

if TYPE_CHECKING:
    from deploy_action.events.progress import Progress
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.docker.connections import HostConnections
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


def run(inputs: Inputs, progress: Progress) -> Outcome:
    """Leave the wish on every host; the deployer finds it within a second.

    It does not wait for the end: the deployment itself tells that, where it runs.

    Raises:
        BadInput: nothing is being deployed there now.
    """
    wanted = select_environment(load(inputs.config), inputs.environment)
    with connect_hosts(wanted, inputs, progress) as engagement:
        running = _running(engagement)
        told = OperatorCommand(
            number=running.number,
            wish=cast("OperatorAction", inputs.switch),
            actor=inputs.actor,
            reason=inputs.reason,
        )

        def leave(host: str) -> None:
            with engagement.reading(host) as site:
                if site is not None:
                    send_command(site.session, wanted.service, wanted.name, told)

        run_parallel(leave, wanted.hosts)
    does = "goes on at once" if told.wish == "promote" else "goes back"
    return Outcome(
        result=Result.TOLD,
        service=wanted.service,
        environment=wanted.name,
        url=wanted.url or "",
        notes=(f"deployment {running.number} of {running.release.version} {does}",),
    )


def _running(engagement: HostConnections) -> Deployment:
    wanted = engagement.environment
    name = lock_name(wanted.edge.name, wanted.service, wanted.name)
    held = any(current(engine, name) is not None for engine in engagement.engines.values())
    entries = engagement.look().ledger.entries if held else ()
    if not entries or entries[-1].state is not State.RUNNING:
        raise BadInput(
            f"{wanted.name}: nothing is being deployed there now",
            remedy=f"deploy-action status -e {wanted.name}; deploy-action rollback undoes what is "
            "live",
        )
    return entries[-1]
