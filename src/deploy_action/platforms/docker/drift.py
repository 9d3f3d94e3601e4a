"""How a host differs from what was recorded: pure comparison of values, host by host.

Only what a person or another program did is drift; what a deployment under way does is not,
so nothing is compared while somebody holds the lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from deploy_action.config import deserialize
from deploy_action.platforms.docker.observation import HostObservation
from deploy_action.platforms.docker.replicas import Replica, of_release
from deploy_action.platforms.docker.standby import standby_of, stands_by
from deploy_action.releases.model import Deployment
from deploy_action.results.reports import Difference

if TYPE_CHECKING:
    from collections.abc import Collection

    from deploy_action.config.model import Environment

__all__ = ["differences"]

_ABSENT = "nothing"
_STOPPING_SECONDS = 10.0
"""How much longer than the container's own time an engine may need to stop it."""


def differences(
    found: HostObservation,
    serving: Deployment | None,
    *,
    good: Collection[str],
    image_ids: Mapping[str, str],
    now: datetime,
) -> tuple[Difference, ...]:
    """Compare one host with the ledger's live release.

    Args:
        good: ids of all releases that have succeeded.
        image_ids: image reference → id on this host, of the live release.
        now: what a deployment that ended just before has left to end may take some time for it.
    """
    return tuple(_all(found, serving, good, image_ids, now))


def _all(
    found: HostObservation,
    serving: Deployment | None,
    good: Collection[str],
    image_ids: Mapping[str, str],
    now: datetime,
) -> Iterator[Difference]:
    host = found.host
    standby = ""
    mend = "deploy-action deploy (the same version again repairs it)"
    for name in found.ledger.damaged:
        yield Difference(
            host=host, subject=f"ledger entry {name}", recorded="readable", found="torn"
        )
    if serving is not None:
        environment = deserialize(serving.release.config)
        mine = of_release(found.replicas, serving.release.id, environment.replicas)
        present = {replica.index: replica for replica in mine}
        for index in range(environment.replicas):
            replica = present.get(index)
            if replica is None:
                yield Difference(
                    host=host,
                    subject=f"replica {index + 1} of {serving.release.version}",
                    recorded="running",
                    found=_ABSENT,
                    remedy=mend,
                )
            else:
                image = image_ids.get(serving.release.reference, "")
                yield from _replica(host, replica, environment, image, mend)
        standby = standby_of(serving, environment)
        if environment.route is not None:
            waiting = tuple(r for r in found.replicas if stands_by(r, standby))
            yield from _edge(found, environment, mine, waiting, mend)
        known = [entry.id for entry in found.ledger.entries]
        if serving.id not in known:
            yield Difference(
                host=host,
                subject="ledger",
                recorded=f"deployment {serving.id}",
                found=_ABSENT,
                remedy=mend,
            )
    yield from _aliens(found, serving, standby, good, leaving=_are_leaving(serving, now))


def _replica(
    host: str, replica: Replica, environment: Environment, image: str, mend: str
) -> Iterator[Difference]:
    container, limits = replica.container, environment.resources
    name = replica.name
    # What `docker update` changed has to be changed back: the same release is not started anew.
    by_hand = {
        "memory limit": f"docker update --memory {limits.memory_bytes or 0} --memory-swap "
        f"{limits.memory_bytes or 0} {name}",
        "CPU limit": f"docker update --cpus {limits.cpus or 0} {name}",
        "process limit": f"docker update --pids-limit {limits.pids or 0} {name}",
        "networks": f"docker network connect, or disconnect, NETWORK {name}",
    }
    pairs: list[tuple[str, object, object]] = [
        ("state", "running", container.status),
        ("restart policy", "unless-stopped", container.restart),
        ("memory limit", limits.memory_bytes or 0, container.memory_bytes),
        ("CPU limit", limits.cpus or 0, container.cpus),
        ("process limit", limits.pids or 0, container.pids),
        (
            "networks",
            ", ".join(sorted({environment.edge.name, *environment.networks})),
            ", ".join(sorted(container.addresses)),
        ),
    ]
    if image:
        pairs.append(("image", image, container.image_id))
    pairs += [
        (f"variable {variable}", value, container.env.get(variable, _ABSENT))
        for variable, value in environment.env.items()
    ]
    for what, recorded, seen in pairs:
        if recorded != seen:
            yield Difference(
                host=host,
                subject=f"{what} of container {name}",
                recorded=str(recorded),
                found=str(seen),
                remedy=by_hand.get(what, mend),
            )
    for name in environment.secrets:
        if name not in container.env:
            yield Difference(
                host=host,
                subject=f"secret {name} of container {replica.name}",
                recorded="set",
                found=_ABSENT,
                remedy=mend,
            )


def _edge(
    found: HostObservation,
    environment: Environment,
    mine: tuple[Replica, ...],
    waiting: tuple[Replica, ...],
    mend: str,
) -> Iterator[Difference]:
    if found.servers is None:
        yield Difference(
            host=found.host,
            subject=f"edge {environment.edge.name}",
            recorded="running",
            found="not running",
            remedy=f"docker start {environment.edge.name}",
        )
    if found.edited:
        yield Difference(
            host=found.host,
            subject=f"configuration of edge {environment.edge.name}",
            recorded="as it was written",
            found="changed by somebody else",
            remedy=mend,
        )
    written = {s.name: s.weight for s in found.backend.servers} if found.backend else {}
    # What stands by need not be known to the edge, as where its health is seen in another way.
    recorded = {replica.name: 0 for replica in waiting if replica.name in written}
    recorded |= {replica.name: 100 for replica in mine}
    yield from _weights(found.host, "edge's configuration", recorded, written, mend)
    if found.servers is not None:
        live = {name: status.weight for name, status in found.servers.items()}
        restart = f"docker restart {environment.edge.name}"
        yield from _weights(found.host, "running edge", written, live, restart)


def _weights(
    host: str, where: str, recorded: Mapping[str, int], seen: Mapping[str, int], remedy: str
) -> Iterator[Difference]:
    for name in sorted(recorded.keys() | seen.keys()):
        if recorded.get(name) != seen.get(name):
            yield Difference(
                host=host,
                subject=f"weight of {name} in the {where}",
                recorded=str(recorded.get(name, _ABSENT)),
                found=str(seen.get(name, _ABSENT)),
                remedy=remedy,
            )


def _are_leaving(serving: Deployment | None, now: datetime) -> bool:
    """Tell whether what served before may still be ending: nobody waits for that."""
    if serving is None or not serving.ended_at:
        return False
    seconds = deserialize(serving.release.config).stop.timeout_seconds + _STOPPING_SECONDS
    return (now - datetime.fromisoformat(serving.ended_at)).total_seconds() < seconds


def _aliens(
    found: HostObservation,
    serving: Deployment | None,
    standby: str,
    good: Collection[str],
    *,
    leaving: bool,
) -> Iterator[Difference]:
    release = serving.release.id if serving is not None else ""
    for replica in found.replicas:
        if replica.release not in good:
            recorded = _ABSENT
        elif (
            replica.release != release
            and replica.container.running
            and not leaving
            and not stands_by(replica, standby)
        ):
            recorded = "stopped and kept"
        else:
            continue
        yield Difference(
            host=found.host,
            subject=f"container {replica.name} ({replica.version or 'unknown version'})",
            recorded=recorded,
            found=replica.container.status,
            remedy=f"docker rm -f {replica.name}",
        )
