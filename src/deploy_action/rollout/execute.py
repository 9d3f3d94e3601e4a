"""Executes a plan: each step is in the journal before it runs, and a failure undoes all of them.

begin → each stage of the plan → finish
             └── a step fails or a signal comes → undo: every host back to the previous release
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deploy_action.errors import SessionLost
from deploy_action.interruption import postponed
from deploy_action.parallel import run_parallel
from deploy_action.releases.model import State
from deploy_action.results.notes import Note, NoteCode
from deploy_action.rollout.undo import undo

if TYPE_CHECKING:
    from deploy_action.platforms.protocol import Platform, Store
    from deploy_action.releases.model import Deployment
    from deploy_action.rollout.context import RolloutContext
    from deploy_action.rollout.plan import Stage
    from deploy_action.rollout.step import Step

__all__ = ["execute"]

_SETTLE_SECONDS = 4.0
"""How long steps under way may take to end after a signal; GitHub kills the job after ten."""


def execute(platform: Platform[Any], store: Store[Any], context: RolloutContext[Any]) -> Deployment:
    """Execute the context's plan under the lock and return the ledger's entry as it ended.

    Raises:
        DeploymentFailed: a step failed; everything was undone and recorded.
        RollbackFailed: the undo failed too.
        SessionLost: the lock is gone; nothing more was touched.
    """
    journal = context.journal
    try:
        journal.begin()
        for probe in context.probes:
            probe.start()
        for stage in context.plan.stages:
            _run_stage(stage, context)
        _finish(context)
    except SessionLost:
        # Whoever holds the lock now settles this; to touch anything would be to work against it.
        context.cancel.set()
        raise
    except BaseException as error:
        if journal.deployment.state is State.SUCCEEDED:
            # It is live and recorded; the next run does the rest of the cleanup.
            text = f"cleaning up was cut short: {error}"
            context.log.notes.append(Note(NoteCode.CLEAN_UP_INCOMPLETE, text))
            return journal.deployment
        with postponed():
            undo(platform, store, context, error)
            raise
    return journal.deployment


def _run_stage(stage: Stage, context: RolloutContext[Any]) -> None:
    hosts = {step.host for step in stage.steps if step.host}
    with context.log.phase(stage.name, hosts.pop() if len(hosts) == 1 else ""):
        announce = context.journal.announce(stage)
        calls: list[Callable[[], None]] = [_call(step, context) for step in stage.steps]
        if announce is not None and stage.read_only:
            calls.append(announce)
        elif announce is not None:
            # What changes something is written down before it is done.
            _together([announce], context)
        _together(calls, context)


def _call(step: Step, context: RolloutContext[Any]) -> Callable[[], None]:
    def call() -> None:
        context.cancel.check()
        begun = context.clock.monotonic()
        context.events.step_started(step.id, step.describe(), host=step.host)
        step.run(context)
        seconds = context.clock.monotonic() - begun
        context.events.step_finished(step.id, seconds, host=step.host)

    return call


def _together(calls: list[Callable[[], None]], context: RolloutContext[Any]) -> None:
    run_parallel(lambda call: call(), calls, cancel=context.cancel, settle_seconds=_SETTLE_SECONDS)


def _finish(context: RolloutContext[Any]) -> None:
    for probe in context.probes:
        probe.stop()
    stats = context.stats()
    if stats.lost:
        text = f"{stats.lost} of {stats.sent} probe requests failed: {stats.losses[0]}"
        context.log.notes.append(Note(NoteCode.REQUESTS_LOST, text))
    _together([context.journal.finish], context)
