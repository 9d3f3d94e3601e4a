"""Watches new replicas for a while: that they run, that they are healthy, how they serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from deploy_action.checks.analysis import Bad, Fine, Inconclusive, judge, traffic
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

    def judge(self, seconds: float, smoke: Callable[[], None]) -> OperatorCommand | None:
        """Wait `seconds`. Returns early, with the command, if an operator promotes.

        Args:
            smoke: runs the smoke tests of one round and raises when they fail; they have their
                own retries.

        Raises:
            DeploymentFailed: a replica ended, is unhealthy or serves worse than allowed, or an
                operator aborted the deployment.
        """
        promoted: list[OperatorCommand] = []
        before = self._counters()

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
            self._analyse(before, final=False)
            return None

        watch(seconds, check_round, self._clock, _ROUND_SECONDS)
        if promoted:
            return promoted[0]
        self._analyse(before, final=True)
        return None

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

    def _analyse(self, before: Mapping[str, ServerStatus], *, final: bool) -> None:
        """Judge the replicas by the traffic that they had while they were watched.

        A bad verdict counts at once; too few requests are reported only at the end.
        """
        after, name = self._counters(), self.host.name
        candidates = {replica.name for replica in self.replicas}
        limits = self.configuration.strategy.analysis
        verdict = judge(
            traffic(before, after, candidates),
            traffic(before, after, after.keys() - candidates),
            limits,
        )
        match verdict:
            case Fine():
                return
            case Bad():
                raise DeploymentFailed(
                    f"{name}: the edge saw that {verdict.why}",
                    remedy=_LOOK,
                    code=ErrorCode.ANALYSIS_FAILED,
                )
            case Inconclusive() if not final:
                return
            case Inconclusive():
                few = (
                    f"{name}: only {verdict.traffic.requests} requests came while watching, "
                    f"{verdict.needed} are needed for a judgement"
                )
                if limits.inconclusive == "fail":
                    raise DeploymentFailed(
                        few,
                        remedy="a longer pause, or analysis.requests",
                        code=ErrorCode.ANALYSIS_INCONCLUSIVE,
                    )
                if self.configuration.route is not None:
                    self.events.say(few)
            case _:
                assert_never(verdict)
