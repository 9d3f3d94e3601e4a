"""status: what serves now, on each host, and who is deploying."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.commands.command import ENVIRONMENT, READ_EXITS, Command
from deploy_action.config import deserialize, load
from deploy_action.config.select import select_environment
from deploy_action.platforms.docker.connections import connect_hosts
from deploy_action.platforms.docker.standby import standby_of, stands_by
from deploy_action.releases.ledger import current_deployment, succeeded_releases
from deploy_action.releases.rollback_target import rollback_candidates
from deploy_action.results.answers import HostStatus, ReplicaStatus, Status
from deploy_action.session.lock import current, lock_name, read_holder

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.events.progress import Progress
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.docker.connections import HostConnections
    from deploy_action.platforms.docker.observation import HostObservation, Observation
    from deploy_action.platforms.docker.replicas import Replica
    from deploy_action.releases.model import Deployment

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="status",
    summary="show what serves now, on each host",
    description="Asks every host of the environment what runs there, its health, and since when.",
    examples=(("deploy-action status -e production", "what is live"),),
    options=(ENVIRONMENT,),
    exits=READ_EXITS,
)


def run(inputs: Inputs, progress: Progress) -> Status:
    """Look at every host of the environment."""
    wanted = select_environment(load(inputs.config), inputs.environment)
    with connect_hosts(wanted, inputs, progress) as engagement:
        observation = engagement.look()
        entries = observation.ledger.entries
        references = {e.release.reference for e in entries}
        observation = engagement.look(sorted(references))
        return Status(
            service=wanted.service,
            environment=wanted.name,
            url=wanted.url or "",
            live=current_deployment(entries),
            hosts=tuple(_host(found, observation) for found in observation.hosts),
            restorable=rollback_candidates(observation),
            lock=_lock(engagement, wanted),
            notes=(
                *(f"the ledger entry {name} cannot be read" for name in observation.ledger.damaged),
                *(
                    f"{found.host}: maintenance is on; open: "
                    f"deploy-action maintenance off -e {wanted.name}"
                    for found in observation.hosts
                    if found.backend is not None and found.backend.maintenance
                ),
            ),
        )


def _lock(engagement: HostConnections, wanted: Environment) -> str:
    name = lock_name(wanted.edge.name, wanted.service, wanted.name)
    for engine in engagement.engines.values():
        found = current(engine, name)
        if found is not None:
            return str(read_holder(found))
    return ""


def _host(found: HostObservation, observation: Observation) -> HostStatus:
    serving = current_deployment(observation.ledger.entries)
    good = set(succeeded_releases(observation.ledger.entries))
    standby = ""
    if serving is not None:
        standby = standby_of(serving, deserialize(serving.release.config))
    replicas = tuple(_replica(r, found, serving, standby, good) for r in found.replicas)
    versions = {r.version for r in replicas if r.role == "serving"}
    return HostStatus(
        host=found.host,
        version=", ".join(sorted(versions)),
        deployment=serving.id if serving is not None else "",
        replicas=replicas,
    )


def _replica(
    replica: Replica,
    found: HostObservation,
    serving: Deployment | None,
    standby: str,
    good: set[str],
) -> ReplicaStatus:
    servers = found.backend.servers if found.backend else ()
    weights = {s.name: s.weight for s in servers if not s.backup}
    total = sum(weights.values())
    container = replica.container
    is_live = serving is not None and replica.release == serving.release.id
    takes_traffic = weights.get(replica.name, 0) > 0 if found.backend else is_live
    if container.running and takes_traffic:
        role = "serving"
    elif stands_by(replica, standby):
        role = "standby"
    else:
        role = "retained" if replica.release in good else "candidate"
    return ReplicaStatus(
        name=replica.name,
        version=replica.version,
        state=container.status,
        health=_health(replica, found),
        role=role,
        address=next(iter(container.addresses.values()), ""),
        weight=100 * weights[replica.name] / total if total and replica.name in weights else None,
    )


def _health(replica: Replica, found: HostObservation) -> str:
    """Say what the edge sees, else what the image's own health check says."""
    seen = (found.servers or {}).get(replica.name)
    if replica.container.running and seen is not None and seen.checked:
        return "healthy" if seen.up else "unhealthy"
    own = replica.container.health
    return "unknown" if own == "none" else own
