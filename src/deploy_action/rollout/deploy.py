"""From a release to a deployment: plan it under the lock, execute the plan, say what came of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deploy_action.errors import DeployActionError
from deploy_action.releases.ledger import current_deployment
from deploy_action.releases.model import Deployment, Kind
from deploy_action.releases.secrets import short_secrets
from deploy_action.results.notes import Note, NoteCode
from deploy_action.results.outcome import Outcome, Result
from deploy_action.rollout.context import Credentials, RolloutContext
from deploy_action.rollout.execute import execute
from deploy_action.rollout.journal import Journal
from deploy_action.rollout.log import RolloutLog
from deploy_action.rollout.recovery import restore_current

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from deploy_action.clock import Clock
    from deploy_action.config.model import Environment
    from deploy_action.events.stream import EventStream
    from deploy_action.gates.result import GateResult
    from deploy_action.inputs import Secret
    from deploy_action.platforms.protocol import Platform, ReconcileResult, Seen, Store
    from deploy_action.releases.model import Release
    from deploy_action.rollout.plan import Plan

__all__ = ["Attempt", "deploy_release", "plan_release"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Who deploys, why, and with what.

    Attributes:
        id: the deployment's id.
        restores: on a rollback the id of the release that was asked for.
        secrets: values of the secrets that the release declares.
        current_secrets: today's values for the release that is live, should it need a repair.
    """

    id: str
    kind: Kind
    actor: str
    reason: str = ""
    run_url: str = ""
    restores: str = ""
    secrets: Mapping[str, Secret]
    current_secrets: Callable[[Release], Mapping[str, Secret]]
    credentials: Credentials | None = None
    gates: tuple[GateResult, ...] = ()


def plan_release(
    platform: Platform[Seen],
    release: Release,
    kind: Kind,
    seen: Seen,
    gates: Sequence[GateResult] = (),
) -> Outcome:
    """Say what would be done; nothing is locked and nothing is changed."""
    plan = platform.plan(kind, release, seen)
    return dataclasses.replace(
        _described(release.configuration, Result.UNCHANGED if plan.unchanged else Result.PLANNED),
        deployment=plan.previous,
        gates=tuple(gates),
        notes=plan.notes,
        plan=plan.lines(),
        planned_version=release.version,
    )


def deploy_release(
    platform: Platform[Seen],
    store: Store[Seen],
    seen: Seen,
    release: Release,
    attempt: Attempt,
    *,
    clock: Clock,
    events: EventStream,
) -> Outcome:
    """Make a release live under the lock.

    Args:
        seen: what recovery found, asked for the release's image too.

    Returns the outcome, failed ones too: their `error` says why.
    """
    plan = platform.plan(attempt.kind, release, seen)
    if plan.unchanged:
        return _repair(platform, store, seen, plan, attempt)
    log = RolloutLog(clock=clock, begun=clock.monotonic())
    for name in short_secrets(attempt.secrets):
        log.note(
            Note(NoteCode.SECRET_TRIVIAL, f"the value of {name} is not masked: it is too short")
        )
    entry = _entry(plan, attempt, clock)
    context: RolloutContext[Any] = RolloutContext(
        plan=plan,
        runtime=platform.start_rollout(),
        secrets=attempt.secrets,
        credentials=attempt.credentials,
        events=events,
        clock=clock,
        journal=Journal(store, plan, entry, clock=clock, log=log),
        log=log,
        probes=platform.probes(plan),
    )
    context.journal.count_requests(lambda: context.stats() if context.probes else None)
    for note in plan.notes:
        events.say(str(note))
    events.begin(entry)
    error: DeployActionError | None = None
    try:
        execute(platform, store, context)
    except DeployActionError as failed:
        error = failed
    return _outcome(context, attempt, error)


def _entry(plan: Plan, attempt: Attempt, clock: Clock) -> Deployment:
    """Return the ledger's entry of a deployment that begins now."""
    previous = plan.previous
    return Deployment(
        id=attempt.id,
        number=plan.number,
        kind=plan.kind,
        release=plan.release,
        previous=previous.release.id if previous else "",
        previous_version=previous.release.version if previous else "",
        restores=attempt.restores,
        actor=attempt.actor,
        reason=attempt.reason,
        run_url=attempt.run_url,
        started_at=clock.now().isoformat(timespec="milliseconds"),
    )


def _outcome(
    context: RolloutContext[Any], attempt: Attempt, error: DeployActionError | None
) -> Outcome:
    plan, log = context.plan, context.log
    succeeded = Result.ROLLED_BACK if attempt.kind is Kind.ROLLBACK else Result.DEPLOYED
    result = Outcome.of_error(error).result if error is not None else succeeded
    return dataclasses.replace(
        _described(plan.configuration, result),
        deployment=context.journal.current(),
        gates=attempt.gates,
        checks=tuple(log.checks),
        notes=(*plan.notes, *log.notes),
        error=error,
        previous_commit=plan.previous.release.commit if plan.previous is not None else "",
        excerpts=() if error is None else log.excerpts(),
    )


def _repair(
    platform: Platform[Seen], store: Store[Seen], seen: Seen, plan: Plan, attempt: Attempt
) -> Outcome:
    """Nothing new: make sure that what is recorded as live really serves, and say so."""
    current = current_deployment(seen.ledger.entries)
    joined = [host for host in plan.hosts if not seen.ledger.of(host)]
    if joined and current is not None:
        # Their content is the deployer's, whatever the other hosts record under this id.
        release = dataclasses.replace(plan.release, restart=current.release.restart)
        store.write(dataclasses.replace(current, release=release), hosts=joined)
        seen = platform.observe()
    done: ReconcileResult = restore_current(platform, seen, attempt.current_secrets)
    return dataclasses.replace(
        _described(plan.configuration, Result.UNCHANGED),
        deployment=current,
        gates=attempt.gates,
        notes=(*plan.notes, *done.notes),
        repaired=bool(done.notes),
    )


def _described(configuration: Environment, result: Result) -> Outcome:
    return Outcome(
        result=result,
        service=configuration.service,
        environment=configuration.name,
        url=configuration.url or "",
    )
