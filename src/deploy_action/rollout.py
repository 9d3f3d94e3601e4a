"""Execute a plan: every step is written to the journal before it is done, and undone on failure.

    begin → each stage of the plan → succeed
                   └── a step fails, a signal comes → undo: every host back to what served before

What "back" means is converge.py's business; this module tells the story and keeps the ledger.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from deploy_action.checks.certificate import Certificate, RouteProbe
from deploy_action.checks.result import CheckResult
from deploy_action.clock import Clock
from deploy_action.config import from_plain
from deploy_action.converge import Converged, converge, withdraw
from deploy_action.errors import (
    DeployActionError,
    DeploymentFailed,
    HostUnreachable,
    Interrupted,
    RollbackFailed,
)
from deploy_action.plan import Plan, Record, Retire, Stage, Step
from deploy_action.progress import Progress
from deploy_action.release import Deployment, HostOutcome, Phase, State
from deploy_action.site import Site
from deploy_action.state.conversation import SessionLost
from deploy_action.state.ledger import Ledger
from deploy_action.steps import Steps, describe_failure
from deploy_action.verify import Cancel

__all__ = ["Rollout", "Telling"]

_INTERRUPTED_DRAIN_SECONDS = 2.0
_SETTLE_SECONDS = 4.0
_LOOKING = ("verify", "smoke")


@dataclass(slots=True, kw_only=True)
class Telling:
    """What happened, collected for the report."""

    checks: list[CheckResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    phases: list[Phase] = field(default_factory=list)

    def take(self, done: Converged) -> None:
        """Take over what converging a host came to."""
        self.notes += done.notes
        self.logs = done.logs | self.logs


class Rollout:
    """One execution of one plan on locked hosts."""

    def __init__(
        self,
        plan: Plan,
        sites: Sequence[Site],
        deployment: Deployment,
        *,
        good: Sequence[str],
        steps: Steps,
        secrets: Mapping[str, str],
        clock: Clock,
        progress: Progress,
    ) -> None:
        """Take a plan and the ledger's entry that `begin` will write.

        Args:
            deployment: the entry, in state RUNNING.
            good: ids of releases that have succeeded, newest first.
            steps: performs single steps.
        """
        self.plan = plan
        self.sites = {site.host: site for site in sites}
        self.deployment = deployment
        self.good = tuple(good)
        self.steps = steps
        self.secrets = secrets
        self.clock = clock
        self.progress = progress
        self.telling = Telling()
        self.cancel = steps.cancel
        self.probes = [probe for site in sites for probe in _probe(plan, site)]
        self._started = clock.monotonic()
        self._pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="step")

    def run(self) -> Deployment:
        """Execute the plan and return the entry as it ended.

        Raises:
            DeploymentFailed: a step failed; everything was undone and recorded. Its deployment is
                `self.deployment`.
            RollbackFailed: the way back failed too.
        """
        try:
            self._begin()
            for stage in self.plan.stages:
                self._stage(stage)
            self._finish()
        except BaseException as error:
            if self.deployment.state is State.SUCCEEDED:
                # It is live and recorded; what is left is cleaning, which the next run does.
                self.telling.notes.append(f"cleaning up was cut short: {error}")
                return self.deployment
            self._undo(error)
            raise
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
        return self.deployment

    def _begin(self) -> None:
        """Keep room for the outcome and write the entry, before anything changes."""
        if self.plan.stages:
            first = str(self.plan.stages[0].steps[0])
            self.deployment = dataclasses.replace(self.deployment, step=first)

        def begin(site: Site) -> None:
            site.talk.reserve()
            Ledger.write(site.talk, self.deployment)

        self._on_every_site(begin)
        for probe in self.probes:
            probe.start()

    def _stage(self, stage: Stage) -> None:
        with self._phase(stage):
            journal = self._journal(stage)
            if stage.name not in _LOOKING:
                # What changes something is written down before it is done.
                self._together(journal)
                journal = []
            if isinstance(stage.steps[0], Record):
                self._certify()
                self._succeed()
            elif isinstance(stage.steps[0], Retire):
                self._on_every_site(self._retire)
            else:
                steps = [lambda step=step: self._perform(step) for step in stage.steps]
                self._together([*journal, *steps])

    def _perform(self, step: Step) -> None:
        self.cancel.check()
        self.steps.perform(self.sites[step.host], step)
        self.progress.say(str(step), host=step.host)

    def _journal(self, stage: Stage) -> list[Callable[[], None]]:
        """Return the calls that write down what is about to be done, one per host."""
        step = str(stage.steps[0])
        if stage.name in ("record", "retire") or step == self.deployment.step:
            return []
        self.deployment = entry = dataclasses.replace(self.deployment, step=step)
        return [
            lambda site=self.sites[host]: Ledger.write(site.talk, entry)  # type: ignore[misc]
            for host in dict.fromkeys(step.host for step in stage.steps)
        ]

    def _succeed(self) -> None:
        done = self._ended(State.SUCCEEDED, "", dict.fromkeys(self.sites, HostOutcome.DEPLOYED))
        first, *others = self.sites.values()
        # The first host's record is the point of no return; the others repeat it, and the next
        # command completes what could not be repeated.
        self._together([lambda: Ledger.write(first.talk, done)])
        self.deployment = done
        if others:
            self._on_every_site(
                lambda site: Ledger.write(site.talk, done), only={site.host for site in others}
            )

    def _certify(self) -> None:
        """Refuse to call it a success when the public way lost more requests than allowed."""
        seen = self._seen()
        if seen.lost > self.plan.environment.probe.lost:
            raise DeploymentFailed(
                f"{seen.lost} of {seen.sent} requests along the public way were lost: "
                + "; ".join(seen.losses),
                remedy="does the new release answer the probe's path? (probe.path in deploy.yaml)",
            )

    def _finish(self) -> None:
        """Write the entry once more, with what was seen while the old replicas left."""
        for probe in self.probes:
            probe.stop()
        seen = self._seen()
        if seen.lost:
            self.telling.notes.append(
                f"{seen.lost} of {seen.sent} requests were lost: {seen.losses[0]}"
            )
        self.deployment = dataclasses.replace(
            self.deployment,
            phases=tuple(self.telling.phases),
            warnings=tuple(self.telling.notes),
            **self._counts(),
        )
        self._on_every_site(lambda site: Ledger.write(site.talk, self.deployment))

    def _seen(self) -> Certificate:
        return sum((probe.seen() for probe in self.probes), Certificate())

    def _counts(self) -> dict[str, int]:
        seen = self._seen()
        return {"requests_sent": seen.sent, "requests_lost": seen.lost} if self.probes else {}

    def _retire(self, site: Site) -> None:
        done = converge(
            site,
            self.plan.release,
            self.plan.environment,
            good=(self.plan.release.id, *self.good),
            secrets=self.secrets,
            number=self.plan.number,
            drain_seconds=self.plan.environment.stop.drain_seconds,
            cancel=self.cancel,
        )
        self.telling.take(done)
        self.progress.say("old replicas drained, stopped and kept", host=site.host)

    # The way back

    def _undo(self, error: BaseException) -> None:
        self.cancel.event.set()
        self.progress.warn(f"failed: {first_line(error)}; going back to what served before")
        outcomes: dict[str, HostOutcome] = {}
        problems: list[str] = []
        quick = not isinstance(error, DeploymentFailed) or isinstance(error, Interrupted)
        logs = describe_failure(self.sites.values(), self.plan.release, self.plan.environment)
        self.telling.logs |= logs

        def back(site: Site) -> None:
            try:
                self._restore(site, quick=quick)
                outcomes[site.host] = HostOutcome.RESTORED
            except SessionLost as lost:
                outcomes[site.host] = HostOutcome.UNKNOWN
                problems.append(first_line(lost))
            except (HostUnreachable, OSError) as lost:
                outcomes[site.host] = HostOutcome.UNKNOWN
                problems.append(first_line(lost))
            except DeployActionError as failed:
                outcomes[site.host] = HostOutcome.UNKNOWN
                problems.append(str(failed))

        self._plainly(back)
        for probe in self.probes:
            probe.stop()
        state = State.UNRESOLVED if problems else State.FAILED
        cause = "; ".join([explain(error), *problems])
        ended = self._ended(state, cause, outcomes)
        self.deployment = ended
        for site in self.sites.values():
            try:
                Ledger.write(site.talk, ended)
            except DeployActionError as unwritten:
                self.telling.notes.append(f"the ledger could not be written: {unwritten}")
        self._after_failure()
        if problems:
            raise RollbackFailed(
                f"{self.plan.environment.name}: the deployment failed and so did the way back: "
                + "; ".join(problems),
                cause=explain(error),
                remedy="deploy-action status, then: deploy-action rollback "
                f"-e {self.plan.environment.name}",
            ) from error

    def _restore(self, site: Site, *, quick: bool) -> None:
        previous = self.plan.previous
        # A fresh event: the way back must not be stopped by what stopped the way forward.
        cancel = Cancel(threading.Event())
        limit = self.plan.environment.stop.drain_seconds
        drain = min(limit, _INTERRUPTED_DRAIN_SECONDS) if quick else limit
        if previous is None:
            self.telling.take(withdraw(site, drain))
            return
        done = converge(
            site,
            previous.release,
            from_plain(previous.release.config),
            good=self.good,
            secrets=self.secrets,
            number=self.plan.number,
            drain_seconds=drain,
            cancel=cancel,
        )
        self.telling.take(done)
        self.progress.say(f"{previous.release.version} serves, as before", host=site.host)

    def _after_failure(self) -> None:
        for hook in self.plan.environment.hooks.on_failure:
            site = self.sites[self.plan.environment.hosts[0]]
            try:
                self.steps.run_hook(site, hook)
            except DeployActionError as failed:
                self.telling.notes.append(f"the on-failure hook {hook.name} failed: {failed}")

    def _ended(self, state: State, cause: str, hosts: Mapping[str, HostOutcome]) -> Deployment:
        return dataclasses.replace(
            self.deployment,
            state=state,
            cause=cause,
            step="" if state is State.SUCCEEDED else self.deployment.step,
            ended_at=self.clock.now().isoformat(timespec="milliseconds"),
            duration_seconds=round(self.clock.monotonic() - self._started, 3),
            hosts=dict(hosts),
            phases=tuple(self.telling.phases),
            warnings=tuple(self.telling.notes),
            **self._counts(),
        )

    # Doing things side by side

    def _on_every_site(self, act: Callable[[Site], None], *, only: set[str] | None = None) -> None:
        hosts = [site for site in self.sites.values() if only is None or site.host in only]
        self._together([lambda site=site: act(site) for site in hosts])

    def _together(self, calls: Sequence[Callable[[], None]]) -> None:
        """Run calls side by side; the first failure stops the others at their next look."""
        # Never in the main thread: a signal's exception must not cut a request in two.
        pending = {self._pool.submit(call) for call in calls}
        failure: BaseException | None = None
        try:
            while pending:
                ended, pending = wait(pending, timeout=0.2, return_when="FIRST_EXCEPTION")
                for future in ended:
                    error = future.exception()
                    if error is not None and failure is None:
                        failure = error
                        self.cancel.event.set()
        except BaseException:
            self.cancel.event.set()
            wait(pending, timeout=_SETTLE_SECONDS)
            raise
        if failure is not None:
            raise failure

    def _plainly(self, act: Callable[[Site], None]) -> None:
        with ThreadPoolExecutor(max_workers=16, thread_name_prefix="undo") as pool:
            list(pool.map(act, self.sites.values()))

    def _phase(self, stage: Stage) -> _PhaseTimer:
        host = stage.steps[0].host if len({s.host for s in stage.steps}) == 1 else ""
        return _PhaseTimer(self, stage.name, host)


def _probe(plan: Plan, site: Site) -> Iterator[RouteProbe]:
    """Make the probe of a host's edge; there is none before something serves."""
    environment = plan.environment
    route, wanted = environment.route, environment.probe
    if (
        plan.previous is None
        or route is None
        or environment.protocol != "http"
        or not wanted.rate_per_second
    ):
        return
    address, dialer = site.edge_address(), site.dialer()
    yield RouteProbe(
        where=site.host,
        dial=lambda seconds: dialer.dial(address, route.port, seconds),
        path=wanted.path or (environment.health.path if environment.health.kind == "http" else "/"),
        headers={"Host": route.host or "localhost"},
        rate_per_second=wanted.rate_per_second,
    )


class _PhaseTimer:
    """Adds one bar to the timeline, failed or not."""

    def __init__(self, rollout: Rollout, name: str, host: str) -> None:
        self._rollout, self._name, self._host = rollout, name, host

    def __enter__(self) -> None:
        self._start = self._rollout.clock.monotonic()

    def __exit__(self, *_: object) -> None:
        begun = self._rollout._started
        self._rollout.telling.phases.append(
            Phase(
                name=self._name,
                host=self._host,
                start_seconds=round(self._start - begun, 3),
                end_seconds=round(self._rollout.clock.monotonic() - begun, 3),
            )
        )


def first_line(error: BaseException) -> str:
    """Return an error's first line, or its kind when it has no words."""
    return (str(error).splitlines() or [type(error).__name__])[0] or type(error).__name__


def explain(error: BaseException) -> str:
    """Return an error's words and cause in one line for the ledger."""
    if isinstance(error, DeployActionError):
        return f"{error.what} ({error.cause})" if error.cause else error.what
    return f"{type(error).__name__}: {first_line(error)}"
