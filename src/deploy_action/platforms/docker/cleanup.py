"""Replicas that no longer serve: stopped and kept for a rollback, or removed with their last log."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from deploy_action.errors import DeploymentFailed
from deploy_action.parallel import run_parallel
from deploy_action.platforms.docker.retained_images import retain_images
from deploy_action.platforms.docker.volumes import discard
from deploy_action.results.notes import Note, NoteCode

if TYPE_CHECKING:
    from deploy_action.config.model import Stop
    from deploy_action.platforms.docker.engine.protocol import Container
    from deploy_action.platforms.docker.host import Host
    from deploy_action.platforms.docker.replicas import Replica
    from deploy_action.platforms.protocol import Desired, ReconcileResult
    from deploy_action.releases.model import Release

__all__ = ["remove", "restart_policies", "stop_and_retain"]

_KILLED = 137


def restart_policies(
    host: Host, active: Iterable[Replica], kept: Iterable[Replica]
) -> list[Callable[[], None]]:
    """Return the calls that let the engine revive what serves, and not what is only kept."""
    set_restart = host.engine.set_restart
    return [
        *(
            functools.partial(set_restart, replica.container.id, "unless-stopped")
            for replica in active
            if replica.container.restart != "unless-stopped"
        ),
        *(
            functools.partial(set_restart, replica.container.id, "no")
            for replica in kept
            if replica.container.restart != "no"
        ),
    ]


def stop_and_retain(
    host: Host,
    release: Release,
    leaving: Sequence[Replica],
    desired: Desired,
    result: ReconcileResult,
    *,
    beside: Iterable[Replica] = (),
) -> None:
    """Stop and keep what may be restored; remove what failed and what is older than `retain`.

    Images stay as long as a release of this environment, or anybody else, needs them.

    Args:
        beside: what stays running beside the release, and needs its image.
    """
    configuration = release.configuration
    stop = configuration.stop
    # The engine stops by itself what has no requests any more; the next command looks whether it did.
    alone = not desired.wait_for_exit and configuration.route is not None and stop.signal is None
    order = [identifier for identifier in desired.succeeded if identifier != release.id]
    kept = set(order[: configuration.retain])
    previous = order[1] if len(order) > 1 else ""

    def let_go(replica: Replica) -> None:
        if replica.release not in kept or replica.release == release.id:
            remove(host, replica, result)
        elif replica.container.running:
            # Two workers must not go on beside each other: their end is waited for.
            waits = not release.takes_traffic(replica.role)
            _stop(host, replica, stop, result, alone=alone and not waits)
        elif alone and replica.release == previous and _was_killed(replica.container):
            # Nobody waited for its end.
            result.notes.append(_killed_note(host, replica, stop))

    run_parallel(let_go, leaving)
    beside = tuple(beside)
    retained = kept | {release.id} | {replica.release for replica in beside}
    result.notes += retain_images(
        host, release, (*leaving, *beside), retained=retained, past=desired.succeeded
    )


def _stop(
    host: Host, replica: Replica, stop: Stop, result: ReconcileResult, *, alone: bool
) -> None:
    host.session.ping()
    container_id = replica.container.id
    if alone:
        host.engine.stop_async(container_id, timeout_seconds=stop.timeout_seconds)
        return
    host.engine.stop(container_id, timeout_seconds=stop.timeout_seconds, signal=stop.signal)
    ended = host.engine.container(container_id)
    if ended is not None and _was_killed(ended):
        result.notes.append(_killed_note(host, replica, stop))


def _was_killed(container: Container) -> bool:
    return container.exit_code == _KILLED and not container.out_of_memory


def _killed_note(host: Host, replica: Replica, stop: Stop) -> Note:
    text = (
        f"{host.name}: {replica.name} did not end within {stop.timeout_seconds:g} s of being asked "
        "to stop and was killed"
    )
    return Note(NoteCode.REPLICA_KILLED, text)


def remove(
    host: Host, replica: Replica, result: ReconcileResult, *, stop_seconds: float = 2.0
) -> None:
    """Remove a replica, and keep the last lines of its log."""
    host.session.ping()
    try:
        result.logs[f"{replica.name} on {host.name}"] = host.engine.logs(
            replica.container.id, lines=30
        )
    except DeploymentFailed as error:
        text = f"{host.name}: the log of {replica.name} was lost: {error}"
        result.notes.append(Note(NoteCode.LOG_LOST, text))
    if replica.container.running:
        host.engine.stop(replica.container.id, timeout_seconds=stop_seconds)
    note = discard(host.engine, replica.container.id)
    if note is not None:
        result.notes.append(note)
