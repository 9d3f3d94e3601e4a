"""rollback: bring an earlier release back, with its image and its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.choosing import choose
from deploy_action.config import load
from deploy_action.engagement import Engagement, Held, engage
from deploy_action.errors import DeploymentFailed
from deploy_action.going_live import go_live, plan_only
from deploy_action.release import Deployment, Kind
from deploy_action.report.outcome import Outcome, Result
from deploy_action.restoring import Restoration, find_target, prepare, restorable
from deploy_action.sourcing import credentials
from deploy_action.state.ledger import live

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.inputs import Inputs
    from deploy_action.observation import Observation
    from deploy_action.progress import Progress

__all__ = ["run"]


def run(inputs: Inputs, progress: Progress) -> Outcome:
    """Restore the release before the present one, or the one that was asked for.

    Raises:
        BadInput: there never was such a release.
        DeploymentFailed: it cannot be restored any more; nothing was changed.
        LockHeld: somebody else is deploying.
    """
    config = load(inputs.config)
    wanted = choose(config, inputs.environment)
    with engage(wanted, inputs, progress) as engagement:
        if inputs.dry_run:
            return _dry(engagement, wanted, inputs)
        with engagement.locked() as held:
            return _roll_back(held, wanted, inputs, progress)


def _dry(engagement: Engagement, wanted: Environment, inputs: Inputs) -> Outcome:
    observation = engagement.look()
    current, target = _ends(observation, wanted, inputs)
    if isinstance(target, Outcome):
        return target
    key = engagement.fingerprint_key()
    found = engagement.look([target.release.reference])
    engines = engagement.engines
    restoration = prepare(target, wanted, found, engines, inputs, key)
    return plan_only(engagement, restoration.release, restoration.environment, Kind.ROLLBACK)


def _roll_back(
    held: Held, wanted: Environment, inputs: Inputs, progress: Progress
) -> Outcome:
    current, target = _ends(held.observe(), wanted, inputs)
    if isinstance(target, Outcome):
        return target
    observation = held.observe([target.release.reference])
    engines = held.engagement.engines
    restoration = prepare(target, wanted, observation, engines, inputs, held.fingerprint_key())
    for note in restoration.notes:
        progress.say(note)
    progress.say(
        f"rolling back from {current.release.version} to {target.release.version}"
        + (f": {inputs.reason}" if inputs.reason else "")
    )
    outcome = go_live(
        held,
        restoration.release,
        restoration.environment,
        Kind.ROLLBACK,
        secrets=restoration.secrets,
        credentials=_login(wanted, inputs, restoration),
        restores=target.release.id,
    )
    return _with(outcome, restoration, held.observe())


def _ends(
    observation: Observation, wanted: Environment, inputs: Inputs
) -> tuple[Deployment, Deployment | Outcome]:
    """Return what serves and what to restore, or the outcome where nothing is to be done."""
    entries = observation.ledger.entries
    current = live(entries)
    if current is None:
        raise DeploymentFailed(
            f"{wanted.name}: nothing was ever deployed there, so nothing can be brought back",
            remedy=f"deploy-action deploy -e {wanted.name}",
        )
    if inputs.from_ is not None and current.release.version != inputs.from_:
        note = f"{inputs.from_} does not serve any more: {current.release.version} does"
        return current, _nothing(wanted, current, observation, note)
    target = find_target(entries, inputs, wanted)
    if target.release.id == current.release.id:
        note = f"{current.release.version} serves already"
        return current, _nothing(wanted, current, observation, note)
    return current, target


def _nothing(
    wanted: Environment, current: Deployment, observation: Observation, note: str
) -> Outcome:
    return Outcome(
        result=Result.UNCHANGED,
        service=wanted.service,
        environment=wanted.name,
        url=wanted.url or "",
        deployment=current,
        notes=(note,),
        restorable=restorable(observation),
    )


def _login(
    wanted: Environment, inputs: Inputs, restoration: Restoration
) -> tuple[str, str] | None:
    return credentials(wanted, inputs.environ) if restoration.needs_registry else None


def _with(outcome: Outcome, restoration: Restoration, observation: Observation) -> Outcome:
    import dataclasses

    return dataclasses.replace(
        outcome,
        notes=(*restoration.notes, *outcome.notes),
        restorable=restorable(observation),
    )
