"""status: what is live now, on each host, and who is deploying."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.checks.health import HealthSource, health_check
from deploy_action.commands.command import ENVIRONMENT, GATE_EXITS, Command
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.errors import ExitCode
from deploy_action.platforms.connection import connect_platform
from deploy_action.platforms.docker.observation import is_on_standby
from deploy_action.releases.ledger import (
    current_deployment,
    disputes,
    succeeded_releases,
    unsigned_notes,
)
from deploy_action.releases.rollback_target import rollback_candidates
from deploy_action.results.notes import Note, NoteCode
from deploy_action.results.reports import HostStatus, ReplicaStage, ReplicaStatus, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.docker.observation import HostObservation
    from deploy_action.platforms.docker.replicas import Replica
    from deploy_action.releases.model import Deployment

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="status",
    summary="show what serves now, on each host",
    description="Asks every host of the environment what runs there, its health, its restarts, and since when.",
    examples=(("deploy-action status -e production", "what is live"),),
    options=(ENVIRONMENT,),
    exits=(*GATE_EXITS, ExitCode.DEPLOYMENT_FAILED),
)


def run(inputs: Inputs, events: EventStream) -> Status:
    """Look at every host of the environment; one that does not answer is shown as unknown."""
    target = select_environment(load(inputs.config), inputs.environment)
    with connect_platform(target, inputs, events, partial=True) as connection:
        platform, now = connection.platform, connection.clock.now()
        seen = platform.observe()
        holders = platform.holders()
    current = current_deployment(seen.ledger.entries)
    return Status(
        service=target.service,
        environment=target.name,
        url=target.url or "",
        current=current,
        hosts=tuple(_host(host, seen.ledger.of(host.host)) for host in seen.hosts),
        restorable=rollback_candidates(seen),
        lock=next((str(holder) for holder in holders.values()), ""),
        unstable=seen.unstable(now),
        notes=(
            *(f"the ledger entry {name} cannot be read" for name in seen.ledger.damaged),
            *(Note(NoteCode.LEDGER_DISPUTED, text) for text in disputes(seen.ledger)),
            *(
                Note(NoteCode.LEDGER_UNSIGNED, text)
                for host in seen.hosts
                for text in unsigned_notes(host.host, host.ledger)
            ),
            *(
                f"{host.host}: maintenance is on; open: "
                f"deploy-action maintenance off -e {target.name}"
                for host in seen.hosts
                if host.in_maintenance
            ),
        ),
    )


def _host(host: HostObservation, entries: Sequence[Deployment]) -> HostStatus:
    if host.problem:
        return HostStatus(host=host.host, problem=host.problem)
    current, succeeded = current_deployment(entries), set(succeeded_releases(entries))
    replicas = tuple(_replica(replica, host, current, succeeded) for replica in host.replicas)
    versions = {
        replica.version
        for replica in replicas
        if replica.stage is ReplicaStage.SERVING and replica.up_since
    }
    return HostStatus(
        host=host.host,
        version=", ".join(sorted(versions)),
        deployment=current.id if current is not None else "",
        replicas=replicas,
    )


def _replica(
    replica: Replica, host: HostObservation, current: Deployment | None, succeeded: set[str]
) -> ReplicaStatus:
    servers = host.backend.servers if host.backend else ()
    weights = {server.name: server.weight for server in servers if not server.backup}
    total = sum(weights.values())
    container = replica.container
    is_current = current is not None and replica.release == current.release.id
    if current is not None and is_current and not current.release.takes_traffic(replica.role):
        serves = True
    else:
        serves = weights.get(replica.name, 0) > 0 if host.backend else is_current
    if serves and (container.running or is_current):
        stage = ReplicaStage.SERVING
    elif current is not None and is_on_standby(replica, current.standby):
        stage = ReplicaStage.STANDBY
    else:
        retained = replica.release in succeeded
        stage = ReplicaStage.RETAINED if retained else ReplicaStage.CANDIDATE
    return ReplicaStatus(
        name=replica.name,
        version=replica.version,
        state=container.status,
        health=_health(replica, host, current),
        stage=stage,
        address=next(iter(container.addresses.values()), ""),
        weight=100 * weights[replica.name] / total if total and replica.name in weights else None,
        restarts=container.restarts,
        up_since=container.started_at if container.running else "",
    )


def _health(replica: Replica, host: HostObservation, current: Deployment | None) -> str:
    """Return what the edge sees, else what the image's HEALTHCHECK says where it counts."""
    status = (host.servers or {}).get(replica.name)
    if replica.container.running and status is not None and status.checked:
        return "healthy" if status.up else "unhealthy"
    if current is None or replica.release != current.release.id:
        return "unknown"
    counts = health_check(current.release.configuration.health).source is HealthSource.CONTAINER
    return replica.container.health if counts else "unknown"
