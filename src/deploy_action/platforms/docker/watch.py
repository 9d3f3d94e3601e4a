"""Watches new replicas for a while: that they run, that they are healthy, how they serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from deploy_action.checks.analysis import (
    Bad,
    CannotTell,
    Good,
    Meter,
    NoData,
    Traffic,
    TrafficJudge,
    Verdict,
)
from deploy_action.checks.bake import watch
from deploy_action.checks.health import explain_exit, explain_unhealthy, is_condemned
from deploy_action.clock import Clock
from deploy_action.config.model import Environment
from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.events.stream import EventStream
from deploy_action.parallel import Cancel
from deploy_action.platforms.docker.edge.state import ServerStatus
from deploy_action.platforms.docker.health import exit_error, read_answer
from deploy_action.platforms.docker.host import Host
from deploy_action.platforms.docker.replicas import Replica
from deploy_action.session.signals import OperatorCommand, read_command

__all__ = ["Watcher"]

_ROUND_SECONDS = 0.5
_NAP_SECONDS = 0.02
_HELD_BURSTS = 12
"""So many bursts longer a step is watched that ends with too many failures for a good verdict, and
with too few for a bad one."""
_HELD_PAUSES = 5
_LOOK = "look at the log of the new release below, fix it, and deploy again"


@dataclass(frozen=True, slots=True, kw_only=True)
class _CancellableClock:
    """A clock whose waits end as soon as the rollout is cancelled."""

    clock: Clock
    cancel: Cancel

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        deadline = self.clock.monotonic() + seconds
        while (left := deadline - self.clock.monotonic()) > 0:
            self.cancel.check()
            self.clock.sleep(min(left, _NAP_SECONDS))

    def now(self) -> datetime:
        return self.clock.now()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """Watches what a deployment started on one host.

    Attributes:
        number: the deployment's, by which an operator promotes or aborts it.
    """

    host: Host
    configuration: Environment
    replicas: tuple[Replica, ...]
    cancel: Cancel
    events: EventStream
    number: int

    def watch(self, seconds: float) -> None:
        """Wait `seconds`.

        Raises:
            DeploymentFailed: a replica ended or is unhealthy.
        """

        def check_round() -> None:
            self.cancel.check()
            self._require_healthy()

        watch(seconds, check_round, self._clock, _ROUND_SECONDS)

    def judge(
        self, seconds: float, smoke: Callable[[], None], analysis: TrafficJudge | None, share: float
    ) -> OperatorCommand | None:
        """Wait `seconds`, and longer where the traffic gives no answer yet. Returns early, with the
        command, if an operator promotes.

        Args:
            analysis: judges the traffic of all hosts; None where the host takes part in none.
            share: of the traffic that the release gets.
            smoke: runs the smoke tests of one round and raises when they fail; they have their
                own retries.

        Raises:
            DeploymentFailed: a replica ended, is unhealthy or serves worse than allowed, or an
                operator aborted the deployment.
        """
        promoted: list[OperatorCommand] = []
        meter = Meter(self._counters())
        if analysis is not None:
            analysis.begin(share, self._clock.monotonic())

        def check_round() -> str | None:
            self.cancel.check()
            promoted[:] = self._promotion()
            if promoted:
                # Any reason ends the watch.
                return promoted[0].action
            self._require_healthy()
            try:
                smoke()
            except DeploymentFailed:
                # Where a replica has just ended, that is why; the old release may have answered.
                self._require_healthy()
                raise
            if analysis is not None:
                self._observe(analysis, meter)
            return None

        held, wait = 0.0, seconds
        while watch(wait, check_round, self._clock, _ROUND_SECONDS) is None:
            verdict = None if analysis is None else analysis.conclude(self._clock.monotonic())
            wait = self._wait_on(verdict, held, seconds)
            if not wait:
                if verdict is not None and analysis is not None and analysis.first():
                    self._tell(verdict)
                return None
            held += wait
        return promoted[0]

    @property
    def _clock(self) -> Clock:
        return _CancellableClock(clock=self.host.clock, cancel=self.cancel)

    def _promotion(self) -> list[OperatorCommand]:
        placement = self.host.placement
        command = read_command(
            self.host.session, placement.service, placement.environment, self.number
        )
        if command is not None and command.action == "abort":
            raise DeploymentFailed(
                f"{self.host.name}: {command}",
                remedy="ask whoever aborted it, then deploy again",
                code=ErrorCode.ABORTED_BY_OPERATOR,
            )
        return [] if command is None else [command]

    def _counters(self) -> Mapping[str, ServerStatus]:
        if self.configuration.route is None:
            return {}
        return self.host.edge.servers(self.host.backend)

    def _require_healthy(self) -> None:
        statuses, name = self._counters(), self.host.name
        for replica in self.replicas:
            container = self.host.engine.container(replica.container.id)
            if container is None or not container.running:
                why = "it was removed" if container is None else explain_exit(container)
                raise DeploymentFailed(
                    f"{name}: {replica.name} ended while watched: {why}",
                    remedy=_LOOK,
                    code=exit_error(container),
                )
            status = statuses.get(replica.name)
            health = self.configuration.health
            if is_condemned(health, container) or (status is not None and not status.up):
                why = explain_unhealthy(health, status, container)
                raise DeploymentFailed(
                    f"{name}: {replica.name} became unhealthy: {why}",
                    cause=read_answer(self.host, replica, health),
                    remedy=_LOOK,
                    code=ErrorCode.REPLICA_UNHEALTHY,
                )

    def _observe(self, analysis: TrafficJudge, meter: Meter) -> None:
        """Report what the host served since the last round; a round with a reload says nothing.

        Raises:
            DeploymentFailed: the release fails more requests than allowed.
        """
        served = meter.read(self._counters())
        if served is None:
            return
        candidates = {replica.name for replica in self.replicas}
        new = sum((served[name] for name in served.keys() & candidates), Traffic())
        old = sum((served[name] for name in served.keys() - candidates), Traffic())
        bad = analysis.observe(self.host.name, self._clock.monotonic(), new, old)
        if bad is None:
            return
        if bad.binding:
            raise DeploymentFailed(bad.text, remedy=_LOOK, code=ErrorCode.ANALYSIS_FAILED)
        if analysis.first():
            self._tell(bad)

    def _wait_on(self, verdict: Verdict | None, held: float, pause: float) -> float:
        """Return for how many seconds more the step is watched.

        Args:
            held: for how many it was watched longer than its pause already.

        Raises:
            DeploymentFailed: the release got no request, and deploy.yaml takes that for a failure.
        """
        limits = self.configuration.strategy.analysis
        match verdict:
            case CannotTell(suspicious=True):
                longest, wait = _HELD_BURSTS * limits.burst_seconds, limits.burst_seconds
            case NoData() if limits.no_data != "pass":
                longest = _HELD_PAUSES * pause if limits.no_data == "hold" else 0.0
                wait = min(pause, limits.burst_seconds)
                if held >= longest:
                    raise DeploymentFailed(
                        verdict.text,
                        remedy="look at the route and at who may reach it; "
                        "analysis: {no_data: pass} goes on without traffic",
                        code=ErrorCode.ANALYSIS_INCONCLUSIVE,
                    )
            case CannotTell() | NoData() | Good() | Bad() | None:
                return 0.0
            case _:
                assert_never(verdict)
        if held >= longest:
            return 0.0
        if not held:
            self.events.say(f"{verdict.text}; watching on", host=self.host.name)
        return wait

    def _tell(self, verdict: Verdict) -> None:
        match verdict:
            case Good():
                self.events.say(verdict.text)
            case CannotTell(suspicious=True) | NoData():
                self.events.warn(verdict.text)
            case CannotTell():
                self.events.say(f"no sign of trouble, but {verdict.text}")
            case Bad():
                self.events.warn(f"dry_run: {verdict.text}")
            case _:
                assert_never(verdict)
