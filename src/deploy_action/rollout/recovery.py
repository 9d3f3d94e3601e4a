"""Recovery: what an earlier run left unfinished is settled before anything new begins."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from deploy_action.errors import DeployActionError, Interrupted, RollbackFailed, SessionLost
from deploy_action.parallel import Cancel
from deploy_action.platforms.protocol import Desired
from deploy_action.releases.ledger import current_deployment, succeeded_releases
from deploy_action.releases.model import Deployment, HostOutcome, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Secret
    from deploy_action.platforms.protocol import Platform, ReconcileResult, Seen, Store
    from deploy_action.releases.model import Release

__all__ = ["mark_abandoned", "recover_interrupted", "restore_current"]


def recover_interrupted(
    platform: Platform[Seen],
    store: Store[Seen],
    *,
    images: Sequence[str] = (),
    secrets: Callable[[Release], Mapping[str, Secret]],
    by: str,
    now: str,
    events: EventStream,
) -> Seen:
    """Settle what an earlier run left: its deployment failed, and the previous release serves.

    Args:
        images: references to look for.
        secrets: today's values for a release that has to be started anew.
        by: id of the run that settles it.
        now: UTC in ISO 8601.

    Returns what is found when that is done.

    Raises:
        RollbackFailed: the previous release cannot be brought back.
        Interrupted, SessionLost: the next command settles it.
    """
    seen = platform.observe(images)
    own = {host: seen.ledger.of(host) for host in platform.hosts}
    unfinished = {
        entry.id: entry
        for entries in own.values()
        for entry in entries
        if entry.state is State.RUNNING
    }
    if not unfinished and not seen.orphans():
        store.update(own, seen)
        return seen
    for entry in unfinished.values():
        events.warn(
            f"deployment {entry.id} of {entry.release.version} was left unfinished at: "
            f"{entry.step_text or 'its begin'}; settling it"
        )
    try:
        restore_current(platform, seen, secrets)
    except (Interrupted, SessionLost):
        raise
    except (DeployActionError, OSError) as error:
        what = error.what if isinstance(error, DeployActionError) else str(error)
        raise RollbackFailed(
            "an earlier deployment was left unfinished, and the release before it could not be "
            f"brought back: {what}",
            cause=error.cause if isinstance(error, DeployActionError) else "",
            remedy="deploy-action status, then deploy-action rollback --to VERSION",
        ) from error
    settled = {
        host: [_settled(entry, platform.hosts, by=by, now=now) for entry in entries]
        for host, entries in own.items()
    }
    store.update(settled, seen)
    return platform.observe(images)


def restore_current(
    platform: Platform[Seen],
    seen: Seen,
    secrets: Callable[[Release], Mapping[str, Secret]],
) -> ReconcileResult:
    """Bring every host to the release that is live according to its own ledger, if it has one.

    Raises:
        DeployActionError: a host could not be brought to it.
    """
    desired: dict[str, Desired] = {}
    for host in platform.hosts:
        entries = seen.ledger.of(host)
        if not entries:
            continue
        current = current_deployment(entries)
        desired[host] = Desired(
            deployment=current,
            succeeded=succeeded_releases(entries),
            secrets={} if current is None else secrets(current.release),
            drain_seconds=0.0
            if current is None
            else current.release.configuration.stop.drain_seconds,
        )
    result = platform.reconcile(desired, Cancel())
    failures = sorted(
        result.failures.values(), key=lambda error: not isinstance(error, Interrupted | SessionLost)
    )
    if failures:
        raise failures[0]
    return result


def _settled(entry: Deployment, hosts: Sequence[str], *, by: str, now: str) -> Deployment:
    if entry.state is not State.RUNNING:
        return entry
    return mark_abandoned(entry, hosts, by=by, now=now)


def mark_abandoned(entry: Deployment, hosts: Sequence[str], *, by: str, now: str) -> Deployment:
    """Return the entry of a deployment whose deployer was lost, as it is settled."""
    return dataclasses.replace(
        entry,
        state=State.FAILED,
        ended_at=now,
        cause=f"the deployer was lost at: {entry.step_text or 'its begin'}; settled by {by}",
        hosts=dict.fromkeys(hosts, HostOutcome.RESTORED),
    )
