"""Execute a plan: every step is written to the journal before it is done, and undone on failure.

    begin → each stage of the plan → succeed
                   └── a step fails, a signal comes → undo: every host back to what served before

What "back" means is converge.py's business; this module tells the story and keeps the ledger.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Mapping, Sequence

from deploy_action.checks.request_probe import require_no_lost_requests, stats
from deploy_action.clock import Clock
from deploy_action.errors import (
    DeployActionError,
    RollbackFailed,
)
from deploy_action.events.progress import Progress
from deploy_action.interruption import postponed
from deploy_action.platforms.docker.host import Host
from deploy_action.platforms.docker.performer import Performer
from deploy_action.platforms.docker.probes import probes
from deploy_action.platforms.docker.reconcile import reconcile
from deploy_action.platforms.docker.standby import standby_of
from deploy_action.releases.ledger import Ledger
from deploy_action.releases.model import Deployment, HostOutcome, State
from deploy_action.rollout.log import RolloutLog, explain, first_line
from deploy_action.rollout.plan import Plan, Stage
from deploy_action.rollout.steps import Record, Retire, Step
from deploy_action.rollout.undo import Undo, require_lock
from deploy_action.rollout.workers import Crew
from deploy_action.session.client import SessionLost
from deploy_action.session.requests import reserve, sequence
from deploy_action.session.signals import clear_command

__all__ = ["Rollout"]

_LOOKING = ("verify", "smoke")


class Rollout:
    """One execution of one plan on locked hosts."""

    def __init__(
        self,
        plan: Plan,
        sites: Sequence[Host],
        deployment: Deployment,
        *,
        good: Sequence[str],
        performer: Performer,
        secrets: Mapping[str, str],
        clock: Clock,
        progress: Progress,
    ) -> None:
        """Take a plan and the ledger's entry that `begin` will write.

        Args:
            deployment: the entry, in state RUNNING.
            good: ids of releases that have succeeded, newest first.
            performer: does single steps.
        """
        self.plan = plan
        self.sites = {site.host: site for site in sites}
        self.deployment = deployment
        self.good = tuple(good)
        self.performer = performer
        self.secrets = secrets
        self.clock = clock
        self.progress = progress
        self.telling = RolloutLog(clock=clock, begun=clock.monotonic())
        self.cancel = performer.cancel
        self.probes = [probe for site in sites for probe in probes(plan, site)]
        self.crew = Crew(cancel=performer.cancel)

    def run(self) -> Deployment:
        """Execute the plan and return the entry as it ended.

        Raises:
            DeploymentFailed: a step failed; everything was undone and recorded. Its deployment is
                `self.deployment`.
            RollbackFailed: the way back failed too.
        """
        try:
            self._begin()
            for stage, following in itertools.zip_longest(self.plan.stages, self.plan.stages[1:]):
                self._stage(stage, following)
            self._finish()
        except SessionLost:
            # Whoever has the lock now settles this; to touch anything would be to work against it.
            self.cancel.event.set()
            raise
        except BaseException as error:
            if self.deployment.state is State.SUCCEEDED:
                # It is live and recorded; what is left is cleaning, which the next run does.
                self.telling.notes.append(f"cleaning up was cut short: {error}")
                return self.deployment
            with postponed():
                self._undo(error)
                raise
        finally:
            self.crew.dismiss()
        return self.deployment

    def _begin(self) -> None:
        """Keep room for the outcome and write the entry, before anything changes."""
        if self.plan.stages:
            first = str(self.plan.stages[0].steps[0])
            self.deployment = dataclasses.replace(self.deployment, step=first)

        release = self.deployment.release
        cleared = clear_command(release.service, release.environment)
        begin = sequence(reserve(), cleared, Ledger.writing(self.deployment))
        self._on_every_site(lambda site: site.session.ask(begin))
        for probe in self.probes:
            probe.start()

    def _stage(self, stage: Stage, following: Stage | None) -> None:
        hosts = {step.host for step in stage.steps}
        with self.telling.phase(stage.name, hosts.pop() if len(hosts) == 1 else ""):
            journal = self._journal(stage)
            if stage.name not in _LOOKING:
                # What changes something is written down before it is done.
                self.crew.together(journal)
                journal = []
            if isinstance(stage.steps[0], Record):
                require_no_lost_requests(self.probes, allowed=self.plan.environment.probe.lost)
                self._succeed()
            elif isinstance(stage.steps[0], Retire):
                self._on_every_site(self._retire)
            else:
                steps = [functools.partial(self._perform, step) for step in stage.steps]
                ahead = self.performer.smoking.ahead(self.sites, stage, following)
                self.crew.together([*journal, *steps, *ahead])

    def _perform(self, step: Step) -> None:
        self.cancel.check()
        self.performer.perform(self.sites[step.host], step)
        self.progress.say(str(step), host=step.host)

    def _journal(self, stage: Stage) -> list[Callable[[], None]]:
        """Return the calls that write down what is about to be done, one per host."""
        step = str(stage.steps[0])
        if stage.name in ("record", "retire") or step == self.deployment.step:
            return []
        self.deployment = entry = dataclasses.replace(self.deployment, step=step)
        return [
            functools.partial(Ledger.write, self.sites[host].session, entry)
            for host in dict.fromkeys(step.host for step in stage.steps)
        ]

    def _succeed(self) -> None:
        done = self._ended(State.SUCCEEDED, "", dict.fromkeys(self.sites, HostOutcome.DEPLOYED))
        first, *others = self.sites.values()
        # The first host's record is the point of no return; the others repeat it, and the next
        # command completes what could not be repeated.
        self.crew.together([lambda: Ledger.write(first.session, done)])
        self.deployment = done
        if others:
            self._on_every_site(
                lambda site: Ledger.write(site.session, done), only={site.host for site in others}
            )

    def _finish(self) -> None:
        """Write the entry once more, with what was seen while the old replicas left."""
        for probe in self.probes:
            probe.stop()
        seen = stats(self.probes)
        if seen.lost:
            lost = f"{seen.lost} of {seen.sent} requests were lost: {seen.losses[0]}"
            self.telling.notes.append(lost)
        self.deployment = self._told(self.deployment)
        self._on_every_site(lambda site: Ledger.write(site.session, self.deployment))

    def _retire(self, site: Host) -> None:
        standby = standby_of(self.deployment, self.plan.environment)
        done = reconcile(
            site,
            self.plan.release,
            self.plan.environment,
            good=(self.plan.release.id, *self.good),
            secrets=self.secrets,
            number=self.plan.number,
            drain_seconds=self.plan.environment.stop.drain_seconds,
            cancel=self.cancel,
            standby=standby,
            attended=False,
        )
        self.telling.take(done)
        told = "drained and on standby" if standby else "drained, asked to stop and kept"
        self.progress.say(f"old replicas {told}", host=site.host)

    def _undo(self, error: BaseException) -> None:
        """Go back, write down what came of it, and raise where the way back failed too."""
        self.cancel.event.set()
        require_lock(tuple(self.sites.values()), error)
        self.progress.warn(f"failed: {first_line(error)}; going back to what served before")
        way = Undo(
            plan=self.plan,
            sites=tuple(self.sites.values()),
            good=self.good,
            secrets=self.secrets,
            performer=self.performer,
            telling=self.telling,
            progress=self.progress,
        )
        way.go(error)
        for probe in self.probes:
            probe.stop()
        state = State.UNRESOLVED if way.problems else State.FAILED
        cause = "; ".join([explain(error), *way.problems])
        self.deployment = self._ended(state, cause, way.outcomes)
        for site in self.sites.values():
            try:
                Ledger.write(site.session, self.deployment)
            except DeployActionError as unwritten:
                self.telling.notes.append(f"the ledger could not be written: {unwritten}")
        way.run_hooks()
        if way.problems:
            name = self.plan.environment.name
            raise RollbackFailed(
                f"{name}: the deployment failed and so did the way back: {'; '.join(way.problems)}",
                cause=explain(error),
                remedy=f"deploy-action status -e {name}, mend the host, then deploy again: "
                "the next command settles what is left",
            ) from error

    def _ended(self, state: State, cause: str, hosts: Mapping[str, HostOutcome]) -> Deployment:
        ended = dataclasses.replace(
            self.deployment,
            state=state,
            cause=cause,
            step="" if state is State.SUCCEEDED else self.deployment.step,
            ended_at=self.clock.now().isoformat(timespec="milliseconds"),
            duration_seconds=self.telling.elapsed_seconds,
            hosts=dict(hosts),
        )
        return self._told(ended)

    def _told(self, entry: Deployment) -> Deployment:
        """Put what was seen so far into the entry."""
        seen = stats(self.probes)
        return dataclasses.replace(
            entry,
            phases=tuple(self.telling.phases),
            warnings=(*self.performer.notes, *self.telling.notes),
            requests_sent=seen.sent if self.probes else None,
            requests_lost=seen.lost if self.probes else None,
        )

    def _on_every_site(self, act: Callable[[Host], None], *, only: set[str] | None = None) -> None:
        hosts = [site for site in self.sites.values() if only is None or site.host in only]
        self.crew.together([functools.partial(act, site) for site in hosts])
