"""Containers that do not serve any more: kept for a rollback, or removed with their last words."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deploy_action.errors import DeploymentFailed
from deploy_action.parallel import run_parallel

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.platforms.docker.engine.protocol import Container
    from deploy_action.platforms.docker.host import Host
    from deploy_action.platforms.docker.replicas import Replica
    from deploy_action.releases.model import Release

__all__ = ["ReconcileResult", "remove", "restarts", "stop_and_retain"]

_KILLED = 137


@dataclass(slots=True, kw_only=True)
class ReconcileResult:
    """What was done on the way: notes for people, logs of containers that were removed."""

    notes: list[str] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)


def restarts(
    site: Host, serving: Iterable[Replica], kept: Iterable[Replica]
) -> list[Callable[[], None]]:
    """Return the calls that let the engine revive what serves, and not what is only kept."""
    set_restart = site.engine.set_restart
    return [
        *(
            functools.partial(set_restart, replica.container.id, "unless-stopped")
            for replica in serving
            if replica.container.restart != "unless-stopped"
        ),
        *(
            functools.partial(set_restart, replica.container.id, "no")
            for replica in kept
            if replica.container.restart != "no"
        ),
    ]


def stop_and_retain(
    site: Host,
    environment: Environment,
    leaving: list[Replica],
    release: Release,
    good: Collection[str],
    done: ReconcileResult,
    *,
    beside: Iterable[Replica] = (),
    attended: bool = True,
) -> None:
    """Stop and keep what may be restored; remove what failed and what is older than `retain`.

    Args:
        beside: what stays running beside the release, and needs its image.
        attended: wait until all that is kept has ended. Otherwise the engine stops by itself what
            has served requests and has none any more, and the next command looks whether it did.
    """
    alone = not attended and environment.route is not None and environment.stop.signal is None
    order = [found for found in good if found != release.id]
    kept = set(order[: environment.retain])
    before = order[1] if len(order) > 1 else ""
    used = {release.reference} | {r.image for r in (*leaving, *beside) if r.release in kept}

    def one(replica: Replica) -> None:
        duplicate = replica.release == release.id
        if replica.release not in kept or duplicate:
            remove(site, replica, done)
            return
        if replica.container.running:
            _stop(site, replica, environment, done, alone=alone)
        elif alone and replica.release == before and _was_killed(replica.container):
            # Nobody waited for its end.
            done.notes.append(_impatience(site, replica, environment))

    run_parallel(one, leaving)
    for image in sorted({replica.image for replica in leaving} - used):
        # Only what was pulled by its digest can be had again; others' images are not ours to take.
        if "@" in image:
            site.engine.remove_image(image)


def _stop(
    site: Host, replica: Replica, environment: Environment, done: ReconcileResult, *, alone: bool
) -> None:
    site.session.ping()
    container_id, stop = replica.container.id, environment.stop
    if alone:
        site.engine.stop_async(container_id, timeout_seconds=stop.timeout_seconds)
        return
    site.engine.stop(container_id, timeout_seconds=stop.timeout_seconds, signal=stop.signal)
    ended = site.engine.container(container_id)
    if ended is not None and _was_killed(ended):
        done.notes.append(_impatience(site, replica, environment))


def _was_killed(container: Container) -> bool:
    return container.exit_code == _KILLED and not container.out_of_memory


def _impatience(site: Host, replica: Replica, environment: Environment) -> str:
    return (
        f"{site.host}: {replica.name} did not end within {environment.stop.timeout_seconds:g} s of "
        "being asked to stop and was killed"
    )


def remove(site: Host, replica: Replica, done: ReconcileResult) -> None:
    site.session.ping()
    try:
        done.logs[f"{replica.name} on {site.host}"] = site.engine.logs(
            replica.container.id, lines=30
        )
    except DeploymentFailed as error:
        done.notes.append(f"{site.host}: the log of {replica.name} was lost: {error}")
    if replica.container.running:
        site.engine.stop(replica.container.id, timeout_seconds=2)
    site.engine.remove(replica.container.id)
