"""drift: say exactly how containers, edge and ledger differ from what was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.commands.command import ENVIRONMENT, GATE_EXITS, Command
from deploy_action.config import load, serialize
from deploy_action.config.select import select_environment
from deploy_action.errors import ExitCode, LockHeld
from deploy_action.platforms.docker.connections import connect_hosts
from deploy_action.platforms.docker.drift import differences
from deploy_action.releases.ledger import current_deployment, succeeded_releases
from deploy_action.results.answers import Drift
from deploy_action.session.lock import current, lock_name, read_holder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy_action.config.model import Environment
    from deploy_action.events.progress import Progress
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.docker.connections import HostConnections
    from deploy_action.results.answers import Difference

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


def run(inputs: Inputs, progress: Progress) -> Drift:
    """Compare every host with the ledger.

    Raises:
        LockHeld: a deployment is under way, so differences are what it is about.
    """
    wanted = select_environment(load(inputs.config), inputs.environment)
    with connect_hosts(wanted, inputs, progress) as engagement:
        _refuse_while_locked(engagement, wanted)
        observation = engagement.look()
        entries = observation.ledger.entries
        serving = current_deployment(entries)
        good = succeeded_releases(entries)
        found: list[Difference] = []
        for host in observation.hosts:
            engine = engagement.engines[host.host]
            image = None if serving is None else engine.image(serving.release.reference)
            found += differences(
                host,
                serving,
                good=good,
                image_ids={serving.release.reference: image.id} if serving and image else {},
                now=engagement.clock.now(),
            )
    return Drift(
        service=wanted.service,
        environment=wanted.name,
        version="" if serving is None else serving.release.version,
        differences=tuple(found),
        notes=_notes(wanted, None if serving is None else serving.release.config),
    )


def _notes(wanted: Environment, recorded: Mapping[str, object] | None) -> tuple[str, ...]:
    """Mention what deploy.yaml says differently: not drift, but not deployed either."""
    if recorded is None:
        return ("nothing is recorded as live",)
    today = serialize(wanted)
    keys = sorted(k for k in today.keys() | recorded.keys() if today.get(k) != recorded.get(k))
    return (f"deploy.yaml differs from what is live in: {', '.join(keys)}",) if keys else ()


def _refuse_while_locked(engagement: HostConnections, wanted: Environment) -> None:
    name = lock_name(wanted.edge.name, wanted.service, wanted.name)
    for host, engine in engagement.engines.items():
        held = current(engine, name)
        if held is not None:
            raise LockHeld(
                f"{host}: a deployment is under way: {read_holder(held)}",
                remedy="look again when it is over",
            )
