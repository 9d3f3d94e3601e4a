"""Watch new replicas for a while: that they live, that the edge finds them healthy, how they serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from deploy_action.checks.analysis import Bad, Fine, Inconclusive, judge, traffic
from deploy_action.checks.bake import watch
from deploy_action.checks.health import explain_exit, explain_unhealthy
from deploy_action.clock import Clock
from deploy_action.config.model import Environment
from deploy_action.errors import DeploymentFailed
from deploy_action.events.progress import Progress
from deploy_action.platforms.docker.edge.state import ServerStatus
from deploy_action.platforms.docker.health import Cancel
from deploy_action.platforms.docker.host import Host
from deploy_action.platforms.docker.replicas import Replica
from deploy_action.session.signals import OperatorCommand, read_command

__all__ = ["Watcher"]

_ROUND_SECONDS = 0.5
_NAP_SECONDS = 0.02
_PROMOTED = "promoted"
_LOOK = "look at the log of the new release below, mend it, and deploy again"


@dataclass(frozen=True, slots=True, kw_only=True)
class _LightSleeper:
    """A clock for waits that are over as soon as the deployment is being undone."""

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
    """Watches what a deployment started on one host."""

    site: Host
    environment: Environment
    replicas: tuple[Replica, ...]
    cancel: Cancel
    progress: Progress
    number: int
    """The deployment's, by which a person tells it to go on or to go back."""

    def watch(self, seconds: float, smoke: Callable[[], None]) -> OperatorCommand | None:
        """Return when the time is over and nothing spoke against the replicas, or at once when a
        person has promoted the deployment, which is returned then.

        Args:
            smoke: runs the smoke tests of one round and raises when they fail; they have their
                own retries. A replica that ends or is unhealthy ends the watch at once.

        Raises:
            DeploymentFailed: a replica ended, is unhealthy, or serves worse than allowed, or a
                person aborted it.
        """
        told: list[OperatorCommand] = []

        def round_of_checks() -> str | None:
            self.cancel.check()
            told[:] = self._told()
            if told:
                # Any reason ends the watching; what it was is known here.
                return _PROMOTED
            self._look()
            try:
                smoke()
            except DeploymentFailed:
                # Where a replica has just ended, that is why; the warm release may have answered.
                self._look()
                raise
            self._analyse(before, final=False)
            return None

        before = self._counters()
        clock = _LightSleeper(clock=self.site.clock, cancel=self.cancel)
        watch(seconds, round_of_checks, clock, _ROUND_SECONDS)
        if told:
            return told[0]
        self._analyse(before, final=True)
        return None

    def _told(self) -> list[OperatorCommand]:
        environment = self.environment
        found = read_command(self.site.session, environment.service, environment.name, self.number)
        if found is not None and found.action == "abort":
            raise DeploymentFailed(
                f"{self.site.host}: {found}", remedy="ask whoever aborted it, then deploy again"
            )
        return [] if found is None else [found]

    def _counters(self) -> Mapping[str, ServerStatus]:
        if self.environment.route is None:
            return {}
        return self.site.edge.servers(self.site.backend)

    def _look(self) -> None:
        seen, host = self._counters(), self.site.host
        for replica in self.replicas:
            found = self.site.engine.container(replica.container.id)
            if found is None or not found.running:
                why = "it was removed" if found is None else explain_exit(found)
                raise DeploymentFailed(
                    f"{host}: {replica.name} ended while watched: {why}", remedy=_LOOK
                )
            status = seen.get(replica.name)
            if found.health == "unhealthy" or (status is not None and not status.up):
                why = explain_unhealthy(self.environment.health, status, found)
                raise DeploymentFailed(
                    f"{host}: {replica.name} became unhealthy: {why}", remedy=_LOOK
                )

    def _analyse(self, before: Mapping[str, ServerStatus], *, final: bool) -> None:
        """Judge the replicas by the traffic that they had while they were watched.

        What is bad is bad at once; too few requests are spoken of only at the end.
        """
        after, host = self._counters(), self.site.host
        mine = {replica.name for replica in self.replicas}
        limits = self.environment.strategy.analysis
        verdict = judge(
            traffic(before, after, mine), traffic(before, after, after.keys() - mine), limits
        )
        match verdict:
            case Fine():
                return
            case Bad():
                raise DeploymentFailed(f"{host}: the edge saw that {verdict.why}", remedy=_LOOK)
            case Inconclusive() if not final:
                return
            case Inconclusive():
                seen = (
                    f"{host}: only {verdict.traffic.requests} requests came while watching, "
                    f"{verdict.needed} are needed for a judgement"
                )
                if limits.inconclusive == "fail":
                    raise DeploymentFailed(seen, remedy="a longer pause, or analysis.requests")
                if self.environment.route is not None:
                    self.progress.say(seen)
            case _:
                assert_never(verdict)
