"""rollback: bring an earlier release back, with its image and its configuration."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from deploy_action.commands.command import CHANGE_EXITS, ENVIRONMENT, RECORDED, Command, option
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.errors import BadInput, DeploymentFailed
from deploy_action.images.resolve import credentials
from deploy_action.platforms.docker.certificate_files import missing_certificate
from deploy_action.platforms.docker.connections import HostConnections, connect_hosts
from deploy_action.releases.ledger import current_deployment
from deploy_action.releases.model import Kind
from deploy_action.releases.rollback_target import (
    RollbackTarget,
    find_target,
    prepare,
    rollback_candidates,
)
from deploy_action.results.outcome import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy_action.config.model import Environment
    from deploy_action.events.progress import Progress
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.docker.engine import Engine
    from deploy_action.platforms.docker.locked_hosts import LockedHosts
    from deploy_action.platforms.docker.observation import Observation

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

_GOING_LIVE = "deploy_action.rollout.deploy"


def run(inputs: Inputs, progress: Progress) -> Outcome:
    """Restore the release before the present one, or the one that was asked for.

    Raises:
        BadInput: there never was such a release.
        DeploymentFailed: it cannot be restored any more; nothing was changed.
        LockHeld: somebody else is deploying.
    """
    config = load(inputs.config)
    wanted = select_environment(config, inputs.environment)
    with connect_hosts(wanted, inputs, progress) as engagement:
        if inputs.dry_run:
            return _dry(engagement, wanted, inputs)
        with engagement.locked(_GOING_LIVE) as held:
            return _roll_back(held, wanted, inputs, progress)


def _dry(engagement: HostConnections, wanted: Environment, inputs: Inputs) -> Outcome:
    from deploy_action.rollout.deploy import plan_only

    observation = engagement.look()
    key = observation.host(wanted.hosts[0]).key or b""
    chosen = _choose(observation, wanted, inputs, engagement.engines, key)
    if isinstance(chosen, Outcome):
        return chosen
    return plan_only(engagement, chosen.release, chosen.environment, Kind.ROLLBACK)


def _roll_back(
    held: LockedHosts, wanted: Environment, inputs: Inputs, progress: Progress
) -> Outcome:
    from deploy_action.rollout.deploy import deploy_release

    observation = held.settled()
    engines, key = held.engagement.engines, held.fingerprint_key(observation)
    chosen = _choose(observation, wanted, inputs, engines, key)
    if isinstance(chosen, Outcome):
        return chosen
    certificate = missing_certificate(chosen.environment, observation, inputs)
    for note in chosen.notes:
        progress.say(note)
    reason = f": {inputs.reason}" if inputs.reason else ""
    progress.say(f"rolling back to {chosen.release.version}{reason}")
    outcome = deploy_release(
        held,
        observation,
        chosen.release,
        chosen.environment,
        Kind.ROLLBACK,
        secrets=chosen.secrets,
        credentials=(
            credentials(wanted, inputs.environ, chosen.release.image)
            if chosen.needs_registry
            else None
        ),
        certificate=certificate,
        restores=chosen.restores,
    )
    return dataclasses.replace(
        outcome,
        notes=(*chosen.notes, *outcome.notes),
        restorable=rollback_candidates(observation.after(outcome.deployment)),
    )


def _choose(
    observation: Observation,
    wanted: Environment,
    inputs: Inputs,
    engines: Mapping[str, Engine],
    key: bytes,
) -> RollbackTarget | Outcome:
    """Return what to restore, or the outcome where nothing is to be done or nothing can be."""
    entries = observation.ledger.entries
    current = current_deployment(entries)
    result, error, note = Result.UNCHANGED, None, ""
    try:
        if current is None:
            raise DeploymentFailed(
                f"{wanted.name}: nothing was ever deployed there, so nothing can be brought back",
                remedy=f"deploy-action deploy -e {wanted.name}",
            )
        if inputs.from_ is not None and current.release.version != inputs.from_:
            note = f"{inputs.from_} does not serve any more: {current.release.version} does"
        else:
            target = find_target(entries, inputs, wanted)
            if target.release.id != current.release.id:
                return prepare(target, wanted, observation, engines, inputs, key)
            note = f"{current.release.version} serves already"
    except (BadInput, DeploymentFailed) as impossible:
        error = impossible
        result = Outcome.of_error(impossible).result
    return Outcome(
        result=result,
        service=wanted.service,
        environment=wanted.name,
        url=wanted.url or "",
        deployment=current if error is None else None,
        error=error,
        notes=(note,) if note else (),
        restorable=rollback_candidates(observation),
    )
