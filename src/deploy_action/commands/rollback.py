"""rollback: bring an earlier release back, with its image and its configuration."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from deploy_action.commands.command import CHANGE_EXITS, ENVIRONMENT, RECORDED, Command, option
from deploy_action.commands.deploy import recovered, registry_login
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.errors import BadInput, DeploymentFailed, ErrorCode
from deploy_action.platforms.connection import connect_platform
from deploy_action.releases.ledger import current_deployment, is_live
from deploy_action.releases.model import Kind
from deploy_action.releases.rollback_target import (
    RollbackTarget,
    find_target,
    prepare,
    rollback_candidates,
)
from deploy_action.releases.secrets import available_secrets
from deploy_action.results.outcome import Outcome, Result
from deploy_action.rollout.deploy import Attempt, deploy_release, plan_release

if TYPE_CHECKING:
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.connection import Connection
    from deploy_action.platforms.docker.observation import DockerObservation
    from deploy_action.platforms.docker.store import DockerStore

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="rollback",
    summary="bring an earlier release back: image, configuration and environment",
    description=(
        "Without a version it restores the last release that was stable before the current one."
        " Needs no registry. `--from` makes a button that is pressed twice harmless: if that"
        " version no longer serves, nothing is done."
    ),
    examples=(
        ("deploy-action rollback -e production", "back to the last stable release"),
        ("deploy-action rollback -e production --to 1.3.0 --reason 'slow'", "to a version"),
        ("deploy-action rollback -e production --at 2026-05-01T12:00Z", "to a time"),
    ),
    options=(
        ENVIRONMENT,
        option("--to", "V", "the version to restore, or previous"),
        option("--at", "TIME", "restore what was live at this time (ISO 8601)"),
        option("--from", "V", "only if this version serves now", field="from_"),
        *RECORDED,
    ),
    exits=CHANGE_EXITS,
)


def run(inputs: Inputs, events: EventStream) -> Outcome:
    """Restore the release before the present one, or the one that was asked for.

    Raises:
        BadInput: there never was such a release.
        DeploymentFailed: it can no longer be restored; nothing was changed.
        LockHeld: another user is deploying.
    """
    target = select_environment(load(inputs.config), inputs.environment)
    with connect_platform(target, inputs, events) as connection:
        if inputs.dry_run:
            return _plan(connection)
        with connection.platform.lock(connection.holder) as store:
            return _roll_back(connection, store)


def _plan(connection: Connection) -> Outcome:
    seen = connection.platform.observe()
    chosen = _choose(connection, seen, seen.hosts[0].fingerprint_key or b"")
    if isinstance(chosen, Outcome):
        return chosen
    return plan_release(connection.platform, chosen.release, Kind.ROLLBACK, seen)


def _roll_back(connection: Connection, store: DockerStore) -> Outcome:
    inputs, events, platform = connection.inputs, connection.events, connection.platform
    seen = recovered(connection, store)
    chosen = _choose(connection, seen, store.fingerprint_key(seen))
    if isinstance(chosen, Outcome):
        return chosen
    platform.require_certificate(chosen.release, connection.environment, seen)
    for note in chosen.notes:
        events.say(note)
    reason = f": {inputs.reason}" if inputs.reason else ""
    events.say(f"rolling back to {chosen.release.version}{reason}")
    attempt = Attempt(
        id=connection.id,
        kind=Kind.ROLLBACK,
        actor=inputs.actor,
        reason=inputs.reason,
        run_url=inputs.run_url,
        restores=chosen.restores,
        secrets=chosen.secrets,
        current_secrets=lambda release: available_secrets(
            release.configuration, connection.environment, inputs
        ),
        credentials=registry_login(connection.environment, inputs, chosen.release.image)
        if chosen.needs_registry
        else None,
    )
    outcome = deploy_release(
        platform, store, seen, chosen.release, attempt, clock=connection.clock, events=events
    )
    return dataclasses.replace(
        outcome,
        notes=(*chosen.notes, *outcome.notes),
        restorable=rollback_candidates(seen.after(outcome.deployment)),
    )


def _choose(
    connection: Connection, seen: DockerObservation, key: bytes
) -> RollbackTarget | Outcome:
    """Return what to restore, or the outcome where nothing is to be done or nothing can be."""
    target, inputs = connection.environment, connection.inputs
    entries = seen.ledger.entries
    current = current_deployment(entries)
    result, error, note = Result.UNCHANGED, None, ""
    try:
        if current is None:
            raise DeploymentFailed(
                f"{target.name}: nothing is live there, so there is nothing to roll back",
                remedy=f"deploy-action deploy -e {target.name}",
                code=ErrorCode.NOTHING_DEPLOYED,
            )
        if inputs.from_ is not None and current.release.version != inputs.from_:
            note = f"{inputs.from_} is no longer live: {current.release.version} is"
        else:
            chosen = find_target(entries, inputs, target)
            if not is_live(seen.ledger, chosen.release, connection.platform.hosts):
                engines = connection.platform.engines
                return prepare(
                    chosen,
                    seen,
                    target,
                    inputs,
                    key,
                    lambda host, reference: engines[host].resolve(reference, None),
                )
            note = f"{current.release.version} is live already"
    except (BadInput, DeploymentFailed) as impossible:
        error = impossible
        result = Outcome.of_error(impossible).result
    return Outcome(
        result=result,
        service=target.service,
        environment=target.name,
        url=target.url or "",
        deployment=current if error is None else None,
        error=error,
        notes=(note,) if note else (),
        restorable=rollback_candidates(seen),
    )
