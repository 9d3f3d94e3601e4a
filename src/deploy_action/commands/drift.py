"""drift: say exactly how containers, edge and ledger differ from what was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.commands.command import ENVIRONMENT, GATE_EXITS, Command
from deploy_action.config import load, serialize
from deploy_action.config.select import select_environment
from deploy_action.errors import ExitCode, LockHeld
from deploy_action.platforms.connection import connect_platform
from deploy_action.releases.ledger import current_deployment
from deploy_action.results.reports import Drift

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy_action.config.model import Environment
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="drift",
    summary="show how the hosts differ from what was recorded",
    description=(
        "Compares the containers, the edge and the ledger of every host with the recorded release,"
        " and reports every difference with both values and how to fix it."
    ),
    examples=(("deploy-action drift -e production", "did anybody change something by hand?"),),
    options=(ENVIRONMENT,),
    exits=(*GATE_EXITS, ExitCode.DEPLOYMENT_FAILED),
)


def run(inputs: Inputs, events: EventStream) -> Drift:
    """Compare every host with the ledger.

    Raises:
        LockHeld: a deployment is under way and changes what would be compared.
    """
    target = select_environment(load(inputs.config), inputs.environment)
    with connect_platform(target, inputs, events) as connection:
        platform = connection.platform
        for host, holder in platform.holders().items():
            raise LockHeld(
                f"{host}: a deployment is under way: {holder}", remedy="look again when it is over"
            )
        seen = platform.observe()
        found = platform.drift(seen, connection.clock.now())
    current = current_deployment(seen.ledger.entries)
    return Drift(
        service=target.service,
        environment=target.name,
        version="" if current is None else current.release.version,
        differences=found,
        notes=_notes(target, None if current is None else current.release.config),
    )


def _notes(target: Environment, recorded: Mapping[str, object] | None) -> tuple[str, ...]:
    """Mention what deploy.yaml says differently: not drift, but not deployed either."""
    if recorded is None:
        return ("nothing is recorded as live",)
    today = serialize(target)
    keys = sorted(k for k in today.keys() | recorded.keys() if today.get(k) != recorded.get(k))
    return (f"deploy.yaml differs from what is live in: {', '.join(keys)}",) if keys else ()
