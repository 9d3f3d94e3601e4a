"""The journal of one deployment: its ledger entry, written before each step and at the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from deploy_action.errors import DeployActionError
from deploy_action.releases.model import Deployment, HostOutcome, State
from deploy_action.results.notes import Note, NoteCode

if TYPE_CHECKING:
    from deploy_action.checks.request_probe import RequestStats
    from deploy_action.clock import Clock
    from deploy_action.platforms.protocol import Store
    from deploy_action.rollout.log import RolloutLog
    from deploy_action.rollout.plan import Plan, Stage

_EXCERPTS = 3
"""An entry is kept for good: replicas of one release say the same."""

__all__ = ["Journal"]


class Journal:
    """Keeps `deployment`, the entry as it is written on the hosts."""

    def __init__(
        self,
        store: Store[Any],
        plan: Plan,
        deployment: Deployment,
        *,
        clock: Clock,
        log: RolloutLog,
    ) -> None:
        """Take the entry, in state RUNNING, that `begin` writes."""
        self.deployment = deployment
        self._store, self._plan, self._clock, self._log = store, plan, clock, log
        self._stats: Callable[[], RequestStats | None] = lambda: None

    def count_requests(self, stats: Callable[[], RequestStats | None]) -> None:
        """Have every entry tell what the probes counted."""
        self._stats = stats

    def begin(self) -> None:
        """Reserve room for the outcome and write the entry, before anything changes."""
        first = next(iter(self._plan.steps()), None)
        if first is not None:
            self.deployment = dataclasses.replace(
                self.deployment, step=first.id.value, step_text=first.describe()
            )
        self._store.begin(self.deployment)

    def announce(self, stage: Stage) -> Callable[[], None] | None:
        """Return the call that writes down what a stage is about to do; None where it is written."""
        step = stage.steps[0]
        known = (self.deployment.step, self.deployment.step_text)
        if known == (step.id.value, step.describe()) or self.deployment.state is State.SUCCEEDED:
            return None
        entry = dataclasses.replace(self.deployment, step=step.id.value, step_text=step.describe())
        self.deployment = entry
        hosts = {step.host for step in stage.steps if step.host}
        return lambda: self._store.write(entry, hosts=hosts or None)

    def succeed(self) -> None:
        """Record the success: the first host's record is the point of no return."""
        done = self._ended(
            State.SUCCEEDED, "", dict.fromkeys(self._plan.hosts, HostOutcome.DEPLOYED)
        )
        first, *others = self._plan.hosts
        self._store.write(done, hosts={first})
        self.deployment = done
        if others:
            # The next command repeats what cannot be written now.
            self._store.write(done, hosts=set(others))

    def fail(self, state: State, cause: str, hosts: Mapping[str, HostOutcome]) -> None:
        """Record a failure wherever that is possible; where it is not becomes a note."""
        self.deployment = self._ended(state, cause, hosts)
        for host in self._plan.hosts:
            try:
                self._store.write(self.deployment, hosts={host})
            except DeployActionError as error:
                text = f"{host}: the ledger could not be written: {error}"
                self._log.notes.append(Note(NoteCode.LEDGER_NOT_WRITTEN, text))

    def finish(self) -> None:
        """Write the entry once more, with what was seen while the previous replicas left."""
        self.deployment = self.current()
        self._store.write(self.deployment)

    def current(self) -> Deployment:
        """Return the entry with what was seen so far."""
        stats = self._stats()
        return dataclasses.replace(
            self.deployment,
            phases=tuple(self._log.phases),
            warnings=tuple(map(str, self._log.notes)),
            requests_sent=None if stats is None else stats.sent,
            requests_lost=None if stats is None else stats.lost,
        )

    def _ended(self, state: State, cause: str, hosts: Mapping[str, HostOutcome]) -> Deployment:
        succeeded = state is State.SUCCEEDED
        return dataclasses.replace(
            self.current(),
            state=state,
            cause=cause,
            excerpts=() if succeeded else self._log.excerpts()[:_EXCERPTS],
            step="" if succeeded else self.deployment.step,
            step_text="" if succeeded else self.deployment.step_text,
            ended_at=self._clock.now().isoformat(timespec="milliseconds"),
            duration_seconds=self._log.elapsed_seconds,
            hosts=dict(hosts),
        )
