"""How a host differs from what was recorded: pure comparison of values, host by host.

Only what a person or another program did is drift; what a deployment under way does is not,
so nothing is compared while the lock is held.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from deploy_action.platforms.docker.container_options import changed_options
from deploy_action.platforms.docker.observation import HostObservation, is_on_standby
from deploy_action.platforms.docker.replicas import (
    Placement,
    Replica,
    backend_for,
    of_release,
    with_traffic,
)
from deploy_action.releases.ledger import Ledger, current_deployment, succeeded_releases
from deploy_action.releases.model import Deployment
from deploy_action.results.reports import Difference, DifferenceKind

if TYPE_CHECKING:
    from deploy_action.config.model import Environment

__all__ = ["differences"]

_ABSENT = "nothing"
_REPAIR = "deploy-action deploy (the same version again repairs it)"
_STOPPING_SECONDS = 10.0
"""How much longer than the container's own time an engine may need to stop it."""


def differences(
    host: HostObservation,
    ledger: Ledger,
    placement: Placement,
    *,
    now: datetime,
    has_file: Callable[[str, str], bool],
) -> tuple[Difference, ...]:
    """Compare one host with the release that is live according to the ledger.

    Args:
        ledger: what all hosts know together.
        now: replicas that were asked to stop just before may still be stopping.
        has_file: tells whether a container, by its id, has a file at a path.
    """
    if host.problem:
        return ()
    return tuple(_differences(host, ledger, placement, now, has_file))


def _differences(
    host: HostObservation,
    ledger: Ledger,
    placement: Placement,
    now: datetime,
    has_file: Callable[[str, str], bool],
) -> Iterator[Difference]:
    # A host is compared with its own record; one that joined, with the others'.
    entries = ledger.of(host.host) or ledger.entries
    current = current_deployment(entries)
    yield from _ledger(host, ledger)
    if current is not None:
        release = current.release
        present = {(r.role, r.index): r for r in of_release(host.replicas, release)}
        image = host.image_ids.get(release.reference, "")
        for role in release.roles:
            for index in range(role.replicas):
                replica = present.get((role.name, index))
                if replica is None:
                    yield Difference(
                        kind=DifferenceKind.REPLICA_MISSING,
                        host=host.host,
                        subject=f"replica {index + 1} of {release.version}",
                        recorded="running",
                        found=_ABSENT,
                        remedy=_REPAIR,
                    )
                else:
                    configuration = release.configuration
                    yield from _replica(host.host, replica, configuration, placement, image)
                    yield from _secrets(host.host, replica, configuration, has_file)
        if release.configuration.route is not None:
            standby = tuple(r for r in host.replicas if is_on_standby(r, current.standby))
            serving = with_traffic(present.values(), release)
            yield from _edge(host, placement, serving, standby)
            yield from _route(host, placement, release.configuration)
    yield from _unexpected(host, current, entries, stopping=_may_be_stopping(current, now))


def _ledger(host: HostObservation, ledger: Ledger) -> Iterator[Difference]:
    for name in host.ledger.damaged:
        yield Difference(
            kind=DifferenceKind.LEDGER_DAMAGED,
            host=host.host,
            subject=f"ledger entry {name}",
            recorded="readable",
            found="torn",
        )
    for number, why in host.ledger.unsigned.items():
        yield Difference(
            kind=DifferenceKind.LEDGER_UNSIGNED,
            host=host.host,
            subject=f"ledger entry {number}",
            recorded="signed",
            found=why,
        )
    for entry in ledger.entries:
        if host.host in ledger.disputed.get(entry.number, ()):
            own = [known for known in host.ledger.entries if known.number == entry.number]
            yield Difference(
                kind=DifferenceKind.LEDGER_DISPUTED,
                host=host.host,
                subject=f"ledger entry {entry.number}",
                recorded=f"{entry.release.version}, deployment {entry.id}",
                found=f"{own[0].release.version}, deployment {own[0].id}" if own else _ABSENT,
                remedy="if one of you made that deployment, deploy again: every host records it "
                "then; if nobody did, another user writes to a host",
            )


def _replica(
    host: str, replica: Replica, environment: Environment, placement: Placement, image: str
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
            ", ".join(sorted({replica.network(placement), *environment.networks})),
            ", ".join(sorted(container.addresses)),
        ),
    ]
    if image:
        pairs.append(("image", image, container.image_id))
    pairs += [
        (f"variable {variable}", value, container.env.get(variable, _ABSENT))
        for variable, value in environment.env.items()
    ]
    restart = f"deploy-action restart -e {environment.name}"
    for option in changed_options(environment.options, container.host_config):
        by_hand[option[0]] = restart
        pairs.append(option)
    for what, recorded, seen in pairs:
        if recorded != seen:
            yield Difference(
                kind=DifferenceKind.REPLICA_CHANGED,
                host=host,
                subject=f"{what} of container {name}",
                recorded=str(recorded),
                found=str(seen),
                remedy=by_hand.get(what, _REPAIR),
            )


def _secrets(
    host: str, replica: Replica, environment: Environment, has_file: Callable[[str, str], bool]
) -> Iterator[Difference]:
    container = replica.container
    for name in environment.secrets:
        path = environment.secret_files.get(name)
        present = name in container.env if path is None else has_file(container.id, path)
        if not present:
            yield Difference(
                kind=DifferenceKind.REPLICA_CHANGED,
                host=host,
                subject=f"secret {name} of container {replica.name}",
                recorded="set" if path is None else f"in {path}",
                found=_ABSENT,
                remedy=f"deploy-action restart -e {environment.name}",
            )


def _edge(
    host: HostObservation,
    placement: Placement,
    active: tuple[Replica, ...],
    standby: tuple[Replica, ...],
) -> Iterator[Difference]:
    edge = placement.edge.name
    if host.servers is None:
        yield Difference(
            kind=DifferenceKind.EDGE_DOWN,
            host=host.host,
            subject=f"edge {edge}",
            recorded="running",
            found="not running",
            remedy=f"docker start {edge}",
        )
    if host.edited:
        yield Difference(
            kind=DifferenceKind.EDGE_EDITED,
            host=host.host,
            subject=f"configuration of edge {edge}",
            recorded="as it was written",
            found="changed by another program or by hand",
            remedy=_REPAIR,
        )
    written = {s.name: s.weight for s in host.backend.servers} if host.backend else {}
    # The edge need not know the standby, as where its health is seen in another way.
    recorded = {replica.name: 0 for replica in standby if replica.name in written}
    recorded |= {replica.name: 100 for replica in active}
    yield from _weights(host.host, "edge's configuration", recorded, written, _REPAIR)
    if host.servers is not None:
        running = {name: status.weight for name, status in host.servers.items()}
        restart = f"docker restart {edge}"
        yield from _weights(host.host, "running edge", written, running, restart)


def _route(
    host: HostObservation, placement: Placement, configuration: Environment
) -> Iterator[Difference]:
    """Compare what the release says of its backend; servers and what belongs to the host are left."""
    wanted, found = backend_for(placement, configuration, []), host.backend
    if wanted is None or found is None:
        return
    wanted = wanted.keeping(found)
    for item in dataclasses.fields(wanted):
        recorded, seen = getattr(wanted, item.name), getattr(found, item.name)
        # A certificate stays while a release without one serves.
        if item.compare and item.name != "servers" and recorded != seen:
            yield Difference(
                kind=DifferenceKind.EDGE_ROUTE,
                host=host.host,
                subject=f"{item.name} of {wanted.name} in the edge's configuration",
                recorded=str(recorded),
                found=str(seen),
                remedy=_REPAIR,
            )


def _weights(
    host: str, where: str, recorded: Mapping[str, int], seen: Mapping[str, int], remedy: str
) -> Iterator[Difference]:
    for name in sorted(recorded.keys() | seen.keys()):
        if recorded.get(name) != seen.get(name):
            yield Difference(
                kind=DifferenceKind.EDGE_WEIGHT,
                host=host,
                subject=f"weight of {name} in the {where}",
                recorded=str(recorded.get(name, _ABSENT)),
                found=str(seen.get(name, _ABSENT)),
                remedy=remedy,
            )


def _may_be_stopping(current: Deployment | None, now: datetime) -> bool:
    """Tell whether the previous replicas may still be stopping: nobody waits for that."""
    if current is None or not current.ended_at:
        return False
    seconds = current.release.configuration.stop.timeout_seconds + _STOPPING_SECONDS
    return (now - datetime.fromisoformat(current.ended_at)).total_seconds() < seconds


def _unexpected(
    host: HostObservation,
    current: Deployment | None,
    entries: Sequence[Deployment],
    *,
    stopping: bool,
) -> Iterator[Difference]:
    release = current.release.id if current is not None else ""
    standby = current.standby if current is not None else ""
    succeeded = set(succeeded_releases(entries))
    for replica in host.replicas:
        if replica.release not in succeeded:
            kind, recorded = DifferenceKind.REPLICA_UNEXPECTED, _ABSENT
        elif (
            replica.release != release
            and replica.container.running
            and not stopping
            and not is_on_standby(replica, standby)
        ):
            kind, recorded = DifferenceKind.REPLICA_RUNNING, "stopped and kept"
        else:
            continue
        yield Difference(
            kind=kind,
            host=host.host,
            subject=f"container {replica.name} ({replica.version or 'unknown version'})",
            recorded=recorded,
            found=replica.container.status,
            remedy=f"docker rm -f {replica.name}",
        )
