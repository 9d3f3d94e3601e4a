"""From a release to a deployment: plan it under the lock, roll it out, say what came of it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from deploy_action.errors import DeployActionError
from deploy_action.platforms.docker.health import Cancel
from deploy_action.platforms.docker.performer import Performer
from deploy_action.platforms.docker.smoke import Smoking
from deploy_action.platforms.docker.tls import renew_certificate
from deploy_action.releases.ledger import current_deployment, succeeded_releases
from deploy_action.releases.model import Deployment, Kind, Release
from deploy_action.releases.secrets import fingerprints
from deploy_action.results.outcome import Excerpt, Outcome, Result
from deploy_action.rollout.execute import Rollout
from deploy_action.rollout.plan import Plan, make_plan

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.gates.result import GateResult
    from deploy_action.images.resolve import ResolvedImage
    from deploy_action.platforms.docker.connections import HostConnections
    from deploy_action.platforms.docker.edge.certificates import Bundle
    from deploy_action.platforms.docker.locked_hosts import LockedHosts
    from deploy_action.platforms.docker.observation import Observation

__all__ = ["deploy_release", "make_release", "plan_only"]


def make_release(
    environment: Environment,
    image: ResolvedImage,
    secrets: Mapping[str, str],
    key: bytes,
    commit: str,
) -> Release:
    """Put a release together from what was resolved; secrets go in as fingerprints only."""
    from deploy_action.config import serialize

    return Release(
        service=environment.service,
        environment=environment.name,
        version=image.version,
        image=image.repository,
        digest=image.digest,
        local=image.local,
        config=serialize(environment),
        commit=commit,
        secrets=fingerprints(secrets, key),
    )


def plan_only(
    engagement: HostConnections,
    release: Release,
    environment: Environment,
    kind: Kind,
    gates: Sequence[GateResult] = (),
) -> Outcome:
    """Say what would be done; nothing is locked and nothing is changed."""
    observation = engagement.look([release.reference])
    plan = make_plan(kind, environment, release, observation)
    return Outcome(
        result=Result.UNCHANGED if plan.unchanged else Result.PLANNED,
        service=environment.service,
        environment=environment.name,
        url=environment.url or "",
        deployment=plan.previous,
        gates=tuple(gates),
        notes=plan.notes,
        plan=plan.lines(),
        planned_version=release.version,
    )


def deploy_release(
    held: LockedHosts,
    observation: Observation,
    release: Release,
    environment: Environment,
    kind: Kind,
    *,
    secrets: Mapping[str, str],
    credentials: tuple[str, str] | None,
    certificate: Bundle | None = None,
    gates: Sequence[GateResult] = (),
    restores: str = "",
) -> Outcome:
    """Make a release live under the held locks.

    Args:
        observation: what `held.settled` found, asked for the release's image too.
        environment: what the release is deployed as; on a rollback that of then.
        certificate: what the edge shall answer with; None keeps what it has.

    Returns the outcome, failed ones too: their `error` says why.
    """
    plan = make_plan(kind, environment, release, observation)
    if plan.unchanged:
        return _unchanged(held, plan, observation, gates, certificate)
    engagement = held.engagement
    performer = Performer(
        plan=plan,
        secrets=secrets,
        credentials=credentials,
        certificate=certificate,
        cancel=Cancel(threading.Event()),
        progress=engagement.progress,
        smoking=Smoking(
            environment=environment, release=release, secrets=secrets, clock=engagement.clock
        ),
    )
    entry = _entry(engagement, plan, restores)
    rollout = Rollout(
        plan,
        [dataclasses.replace(site, environment=environment) for site in held.sites],
        entry,
        good=succeeded_releases(observation.ledger.entries),
        performer=performer,
        secrets=secrets,
        clock=engagement.clock,
        progress=engagement.progress,
    )
    for note in plan.notes:
        engagement.progress.say(note)
    engagement.progress.begin(entry)
    error: DeployActionError | None = None
    try:
        rollout.run()
    except DeployActionError as failed:
        error = failed
    return _outcome(rollout, plan, kind, gates, error)


def _entry(engagement: HostConnections, plan: Plan, restores: str) -> Deployment:
    """Make the ledger's entry of a deployment that begins now."""
    inputs, previous = engagement.inputs, plan.previous
    return Deployment(
        id=engagement.id,
        number=plan.number,
        kind=plan.kind,
        release=plan.release,
        previous=previous.release.id if previous else "",
        previous_version=previous.release.version if previous else "",
        restores=restores,
        actor=inputs.actor,
        reason=inputs.reason,
        run_url=inputs.run_url,
        started_at=engagement.clock.now().isoformat(timespec="milliseconds"),
    )


def _outcome(
    rollout: Rollout,
    plan: Plan,
    kind: Kind,
    gates: Sequence[GateResult],
    error: DeployActionError | None,
) -> Outcome:
    good = Result.ROLLED_BACK if kind is Kind.ROLLBACK else Result.DEPLOYED
    of_error = Outcome.of_error(error).result if error is not None else good
    return Outcome(
        result=of_error,
        service=plan.environment.service,
        environment=plan.environment.name,
        url=plan.environment.url or "",
        deployment=dataclasses.replace(
            rollout.deployment,
            phases=tuple(rollout.telling.phases),
            warnings=tuple(rollout.telling.notes),
        ),
        gates=tuple(gates),
        checks=tuple(rollout.performer.checks),
        notes=(*plan.notes, *rollout.telling.notes),
        error=error,
        previous_commit=plan.previous.release.commit if plan.previous is not None else "",
        excerpts=tuple(
            Excerpt(title=f"last log lines of {name}", lines=tuple(text.splitlines()[-20:]))
            for name, text in rollout.telling.logs.items()
            if error is not None
        ),
    )


def _unchanged(
    held: LockedHosts,
    plan: Plan,
    observation: Observation,
    gates: Sequence[GateResult],
    certificate: Bundle | None,
) -> Outcome:
    """Nothing new: make sure that what is recorded as live really serves, and say so."""
    serving = current_deployment(observation.ledger.entries)
    done = held.restore(serving, observation.ledger.entries)
    renewed = [
        note
        for site in held.sites
        for note in renew_certificate(
            dataclasses.replace(site, environment=plan.environment), certificate
        )
    ]
    return Outcome(
        result=Result.UNCHANGED,
        service=plan.environment.service,
        environment=plan.environment.name,
        url=plan.environment.url or "",
        deployment=serving,
        gates=tuple(gates),
        notes=(*plan.notes, *done.notes, *renewed),
        repaired=bool(done.notes or renewed),
    )
