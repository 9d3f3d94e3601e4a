"""remove: take a service or one of its environments away from its hosts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from deploy_action.commands.command import (
    ACTOR,
    CHANGE_EXITS,
    ENVIRONMENT,
    LOCK_WAIT,
    REASON,
    Command,
    option,
)
from deploy_action.commands.deploy import recovered
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.errors import BadInput, ErrorCode, RollbackFailed
from deploy_action.parallel import Cancel, run_parallel
from deploy_action.platforms.connection import connect_platform
from deploy_action.platforms.docker.removal import remove_leftovers, volumes_of
from deploy_action.platforms.protocol import Desired
from deploy_action.releases.ledger import current_deployment
from deploy_action.releases.model import Deployment, HostOutcome, Kind, State
from deploy_action.results.outcome import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy_action.config.model import Environment
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.connection import Connection
    from deploy_action.platforms.docker.observation import DockerObservation
    from deploy_action.platforms.docker.store import DockerStore
    from deploy_action.results.notes import Note

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="remove",
    summary="take a service or one of its environments away from its hosts",
    description=(
        "Takes the route out of the edge, lets the last requests end, and removes the replicas, the"
        " kept ones too, their images' tags and the certificate. Other services and environments are"
        " not touched. Named volumes and the ledger stay. Without `--force` it only says what it"
        " would do. A removal that was interrupted is completed by the next command."
    ),
    examples=(
        ("deploy-action remove -e staging --dry-run", "what would be removed"),
        ("deploy-action remove -e staging --force --reason 'moved'", "remove the environment"),
        (
            "deploy-action remove -e production --service shop --force",
            "after `service: shop` was renamed",
        ),
    ),
    options=(
        ENVIRONMENT,
        option("--service", "NAME", "another service than deploy.yaml's, on the same hosts"),
        option("--delete-volumes", "", "delete its named volumes too, with their data"),
        option("--dry-run", "", "say what would be removed, and change nothing"),
        option("--force", "", "do it"),
        REASON,
        ACTOR,
        LOCK_WAIT,
    ),
    exits=CHANGE_EXITS,
)


def run(inputs: Inputs, events: EventStream) -> Outcome:
    """Remove the environment from every host, under its lock.

    Raises:
        BadInput: there is nothing, or `force` was not given.
        LockHeld: another user is deploying.
        RollbackFailed: a host could not be cleaned; the next command completes it.
    """
    target = select_environment(load(inputs.config), inputs.environment)
    if inputs.service:
        target = dataclasses.replace(target, service=inputs.service)
    with connect_platform(target, inputs, events) as connection:
        if inputs.dry_run or not inputs.force:
            return _plan(connection, target)
        # The lock would leave a network for what was never there.
        _last(connection.platform.observe(), target)
        with connection.platform.lock(connection.holder) as store:
            return _remove(connection, store, target)


def _plan(connection: Connection, target: Environment) -> Outcome:
    seen, inputs = connection.platform.observe(), connection.inputs
    last = _last(seen, target)
    lines = tuple(_lines(seen, delete_volumes=inputs.delete_volumes))
    if not inputs.dry_run:
        service = f" --service {inputs.service}" if inputs.service else ""
        raise BadInput(
            f"{target.service} would be removed from {target.name}; nothing was changed",
            cause="\n".join(lines),
            remedy=f"deploy-action remove -e {target.name}{service} --force",
            code=ErrorCode.NOT_CONFIRMED,
        )
    return Outcome(
        result=Result.PLANNED,
        service=target.service,
        environment=target.name,
        deployment=last,
        plan=lines,
        planned_version="the removal",
    )


def _lines(seen: DockerObservation, *, delete_volumes: bool) -> Iterator[str]:
    """Say what is removed from each host, and what stays."""
    for host in seen.hosts:
        if host.backend is not None:
            yield f"{host.host}: take {host.backend.address} out of the edge"
        for replica in host.replicas:
            yield f"{host.host}: remove {replica.name} ({replica.container.status})"
        for volume in volumes_of(seen.ledger.of(host.host)):
            verb = "delete" if delete_volumes else "keep"
            yield f"{host.host}: {verb} the volume {volume}"


def _last(seen: DockerObservation, target: Environment) -> Deployment:
    """Return the newest deployment: a removal that was interrupted may have no live one."""
    entries = seen.ledger.entries
    last = current_deployment(entries) or (entries[-1] if entries else None)
    if last is None:
        raise BadInput(
            f"{target.service} was never deployed to {target.name} on these hosts",
            remedy=f"deploy-action status -e {target.name}",
            code=ErrorCode.NOTHING_DEPLOYED,
        )
    return last


def _remove(connection: Connection, store: DockerStore, target: Environment) -> Outcome:
    inputs, clock = connection.inputs, connection.clock
    begun = clock.monotonic()
    seen = recovered(connection, store)
    last = _last(seen, target)
    entry = _entry(connection, last, seen.ledger.highest + 1)
    # From here on nothing is meant to be live: whatever is left is removed by any next command.
    store.begin(entry)
    notes = _take_off(connection, target, last)
    for left in run_parallel(
        lambda host: remove_leftovers(
            host, seen.ledger.of(host.name), delete_volumes=inputs.delete_volumes
        ),
        list(store.hosts.values()),
    ):
        notes += left
    done = dataclasses.replace(
        entry,
        ended_at=clock.now().isoformat(timespec="milliseconds"),
        duration_seconds=round(clock.monotonic() - begun, 3),
    )
    store.write(done)
    return Outcome(
        result=Result.REMOVED,
        service=target.service,
        environment=target.name,
        deployment=done,
        notes=tuple(notes),
    )


def _entry(connection: Connection, last: Deployment, number: int) -> Deployment:
    inputs = connection.inputs
    now = connection.clock.now().isoformat(timespec="milliseconds")
    return Deployment(
        id=connection.id,
        number=number,
        kind=Kind.REMOVE,
        release=last.release,
        previous=last.release.id,
        previous_version=last.release.version,
        actor=inputs.actor,
        reason=inputs.reason,
        run_url=inputs.run_url,
        started_at=now,
        ended_at=now,
        state=State.SUCCEEDED,
        hosts=dict.fromkeys(connection.platform.hosts, HostOutcome.REMOVED),
    )


def _take_off(connection: Connection, target: Environment, last: Deployment) -> list[Note | str]:
    """Take route and replicas off every host, and look whether they are gone."""
    platform, stop = connection.platform, last.release.configuration.stop
    desired = Desired(
        deployment=None,
        succeeded=(),
        secrets={},
        drain_seconds=stop.drain_seconds,
        stop_seconds=stop.timeout_seconds,
    )
    result = platform.reconcile(dict.fromkeys(platform.hosts, desired), Cancel())
    remaining = [host.host for host in platform.observe().hosts if host.replicas or host.backend]
    if result.failures or remaining:
        why = "; ".join(map(str, result.failures.values())) or "its replicas are still there"
        raise RollbackFailed(
            f"{target.service} could not be removed from "
            f"{', '.join(result.failures or remaining)}: {why}",
            cause="the ledger says that it is removed; the next command there completes it",
            remedy=f"deploy-action remove -e {target.name} --service {target.service} --force",
        )
    return result.notes
