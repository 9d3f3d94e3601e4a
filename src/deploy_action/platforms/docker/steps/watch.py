"""Watches new replicas for a while: that they live, are healthy, and serve as well as the old."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deploy_action.platforms.docker.smoke import SmokeRunner, require_passed
from deploy_action.platforms.docker.watch import Watcher
from deploy_action.rollout.step import StepId

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from deploy_action.platforms.docker.runtime import DockerContext

__all__ = ["Bake", "Watch", "WatchCanary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchCanary:
    """Watches the canary beside the old release."""

    id: ClassVar[StepId] = StepId.WATCH_CANARY
    host: str
    seconds: float
    percent: int

    def describe(self) -> str:
        return f"watch the canary at {self.percent} % for {self.seconds:g} s"

    def run(self, context: DockerContext) -> None:
        _watch(context, self.host, self.seconds, share=self.percent / 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bake:
    """Watches the new release while the old one still runs."""

    id: ClassVar[StepId] = StepId.BAKE
    host: str
    seconds: float

    def describe(self) -> str:
        return (
            f"bake: watch health and smoke tests for {self.seconds:g} s, the old release still runs"
        )

    def run(self, context: DockerContext) -> None:
        _watch(context, self.host, self.seconds, share=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Makes sure that the new release stays up with all of the traffic, for some seconds."""

    id: ClassVar[StepId] = StepId.WATCH
    host: str
    seconds: float

    def describe(self) -> str:
        return f"watch for {self.seconds:g} s that the new release stays up and healthy"

    def run(self, context: DockerContext) -> None:
        with _told(context, self.host, self.seconds):
            _watcher(context, self.host).watch(self.seconds)


def _told(
    context: DockerContext, host_name: str, seconds: float
) -> AbstractContextManager[Callable[[str], None]]:
    version = context.plan.release.version
    return context.events.waiting(f"watching {version}", host=host_name, limit_seconds=seconds)


def _watcher(context: DockerContext, host_name: str) -> Watcher:
    return Watcher(
        host=context.runtime.hosts[host_name],
        configuration=context.plan.configuration,
        replicas=tuple(context.runtime.on(host_name)),
        cancel=context.cancel,
        events=context.events,
        number=context.plan.number,
    )


def _watch(context: DockerContext, host_name: str, seconds: float, *, share: float) -> None:
    """Watch one host.

    Args:
        share: of the traffic that the release has; with all of it every answer must be its own.
    """
    host, plan, alone = context.runtime.hosts[host_name], context.plan, share == 1
    runner = SmokeRunner.of(context, host)
    reachable = host_name not in plan.closed and (alone or not plan.moves_route)

    def smoke() -> None:
        if plan.configuration.route is not None and plan.configuration.smoke and reachable:
            results = runner.edge(alone=alone)
            if not all(result.passed for result in results):
                require_passed(results, context.log)

    watcher = _watcher(context, host_name)
    analysis = context.runtime.analysis(plan.configuration) if reachable else None
    with _told(context, host_name, seconds):
        promoted = watcher.judge(seconds, smoke, analysis, share)
    if promoted is not None:
        context.events.say(str(promoted), host=host_name)
        context.log.note(str(promoted))
