"""Automatic rollback: after a failure every host returns to the release that served before."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from deploy_action.errors import (
    DeployActionError,
    DeploymentFailed,
    ErrorCode,
    Interrupted,
    RollbackFailed,
)
from deploy_action.parallel import Cancel
from deploy_action.platforms.protocol import Desired
from deploy_action.redaction import excerpt
from deploy_action.releases.ledger import current_deployment, succeeded_releases
from deploy_action.releases.model import HostOutcome, State
from deploy_action.results.notes import Note, NoteCode
from deploy_action.rollout.log import explain, first_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy_action.inputs import Secret
    from deploy_action.platforms.protocol import Platform, ReconcileResult, Store
    from deploy_action.rollout.context import RolloutContext
    from deploy_action.rollout.plan import Plan
    from deploy_action.rollout.step import Step

__all__ = ["outcomes", "undo", "what_to_restore"]

_INTERRUPTED_DRAIN_SECONDS = 2.0
_CAUSE_CHARACTERS = 500


def what_to_restore(
    plan: Plan, secrets: Mapping[str, Secret], error: BaseException
) -> dict[str, Desired]:
    """Decide what every host shall run after `error` ended the rollout of `plan`: what it records
    itself as live.

    After a signal there are seconds, not minutes: requests in flight get only a few of them.
    """
    limit = plan.configuration.stop.drain_seconds
    hurried = isinstance(error, Interrupted) or not isinstance(error, DeploymentFailed)
    return {
        host: Desired(
            deployment=current_deployment(plan.ledger.of(host)),
            succeeded=succeeded_releases(plan.ledger.of(host)),
            secrets=secrets,
            drain_seconds=min(limit, _INTERRUPTED_DRAIN_SECONDS) if hurried else limit,
        )
        for host in plan.hosts
    }


def outcomes(plan: Plan, result: ReconcileResult) -> dict[str, HostOutcome]:
    """Return what the undo did on each host."""
    return {
        host: HostOutcome.UNKNOWN if host in result.failures else HostOutcome.RESTORED
        for host in plan.hosts
    }


def undo(
    platform: Platform[Any], store: Store[Any], context: RolloutContext[Any], error: BaseException
) -> None:
    """Bring every host back, record what came of it, and run the on-failure hooks.

    Raises:
        SessionLost: no lock is left: whoever holds the locks now settles this.
        RollbackFailed: a host could not be brought back.
    """
    plan, log = context.plan, context.log
    context.cancel.set()
    store.require_held()
    _bound(error)
    code = error.code if isinstance(error, DeployActionError) else ErrorCode.BUG
    text = f"failed: {first_line(error)}; going back to the previous release"
    context.events.undo_started(code, text)
    log.logs |= platform.last_logs(plan.release)
    # A fresh cancellation: what stopped the rollout must not stop its undo.
    context.cancel = Cancel(threading.Event())
    desired = what_to_restore(plan, context.secrets, error)
    with context.events.waiting("bringing the previous release back"):
        result = platform.reconcile(desired, context.cancel)
    log.add(result)
    _ask_restored(platform, desired, result, context)
    for probe in context.probes:
        probe.stop()
    problems = [str(failure) for failure in result.failures.values()]
    state = State.UNRESOLVED if problems else State.FAILED
    cause = "; ".join([explain(error), *problems])
    context.journal.fail(state, cause, outcomes(plan, result))
    for step in plan.on_failure:
        _run_hook(step, context)
    if problems:
        name = plan.configuration.name
        raise RollbackFailed(
            f"{name}: the deployment failed, and automatic rollback also failed; manual "
            f"intervention is required: {'; '.join(problems)}",
            cause=explain(error),
            remedy=f"deploy-action status -e {name}, fix the host, then deploy again: "
            "the next command settles what is left",
        ) from error


def _ask_restored(
    platform: Platform[Any],
    desired: Mapping[str, Desired],
    result: ReconcileResult,
    context: RolloutContext[Any],
) -> None:
    """Say that the previous release serves where it was asked and answered; where it does not
    answer, the undo has failed."""
    asked = {host: wanted for host, wanted in desired.items() if host not in result.failures}
    silent = platform.silent(asked)
    for host, wanted in asked.items():
        if wanted.deployment is None:
            continue
        version = wanted.deployment.release.version
        if host in silent:
            result.failures[host] = DeploymentFailed(
                f"{host}: {version} was brought back and does not answer: {silent[host]}",
                code=ErrorCode.NOT_RESTORED,
            )
        else:
            context.events.say(f"{version} answers and serves, as before", host=host)


def _bound(error: BaseException) -> None:
    """Shorten a cause that an answer, a health check or a hook printed, and escape it."""
    if isinstance(error, DeployActionError):
        error.cause = excerpt(error.cause, _CAUSE_CHARACTERS)


def _run_hook(step: Step, context: RolloutContext[Any]) -> None:
    try:
        step.run(context)
    except DeployActionError as failed:
        text = f"could not {step.describe()}: {failed}"
        context.log.notes.append(Note(NoteCode.HOOK_FAILED, text))
