"""A rollout on the platform in memory, put together by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tests.fakes.clock import FakeClock
from tests.fakes.platform import MemoryHost, MemoryPlatform, MemoryStore
from tests.fakes.values import deployment, environment, release

from deploy_action.events.model import Event
from deploy_action.events.stream import EventStream
from deploy_action.platforms.protocol import Holder
from deploy_action.releases.model import Deployment, Kind, Release
from deploy_action.results.notes import Note
from deploy_action.rollout.context import RolloutContext
from deploy_action.rollout.journal import Journal
from deploy_action.rollout.log import RolloutLog
from deploy_action.rollout.plan import Plan, Stage
from deploy_action.rollout.step import StepId

__all__ = ["HOSTS", "Act", "Bench", "Events"]

HOSTS = ("a", "b")


@dataclass(slots=True)
class Events:
    """Notes every event."""

    events: list[Event] = field(default_factory=list)
    name: str = "the test"

    def notify(self, event: Event) -> None:
        self.events.append(event)

    def close(self, timeout_seconds: float) -> tuple[Note, ...]:
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A step that calls a function."""

    call: Callable[[RolloutContext[Any]], None]
    host: str = ""
    text: str = "act"
    id: ClassVar[StepId] = StepId.VERIFY

    def describe(self) -> str:
        return self.text

    def run(self, context: RolloutContext[Any]) -> None:
        self.call(context)


@dataclass(slots=True)
class Bench:
    """Two hosts in memory, and one deployer who holds their lock."""

    clock: FakeClock = field(default_factory=FakeClock)
    machines: dict[str, MemoryHost] = field(
        default_factory=lambda: {name: MemoryHost(name) for name in HOSTS}
    )
    seen: Events = field(default_factory=Events)

    @property
    def platform(self) -> MemoryPlatform:
        return MemoryPlatform(self.machines)

    @property
    def events(self) -> EventStream:
        return EventStream([self.seen])

    @contextmanager
    def lock(self) -> Iterator[MemoryStore]:
        holder = Holder(actor="ada", deployment="d", since="2026-01-01T12:00:00+00:00")
        with self.platform.lock(holder) as store:
            yield store

    def release(self, version: str) -> Release:
        return release(version, environment(hosts=HOSTS))

    def live(self, *entries: Deployment) -> None:
        """Have the last of these deployments serve, and all of them in the ledger."""
        for machine in self.machines.values():
            machine.entries |= {entry.number: entry for entry in entries}
            for entry in entries:
                machine.start(entry.release)
            machine.switch(entries[-1].release)
            machine.only(entries[-1].release, [entry.release.id for entry in entries])

    def entries(self, host: str = HOSTS[0]) -> tuple[Deployment, ...]:
        return tuple(self.machines[host].entries.values())

    def serving(self) -> list[str]:
        """Return the version that serves, host by host."""
        return [
            "".join(
                known["version"]
                for known in machine.releases.values()
                if known["traffic"] and known["running"]
            )
            for machine in self.machines.values()
        ]

    def plan(self, version: str = "2.0.0", kind: Kind = Kind.DEPLOY) -> Plan:
        return self.platform.plan(kind, self.release(version), self.platform.observe())

    def context(
        self,
        store: MemoryStore,
        plan: Plan,
        *,
        before: int | None = None,
        act: Callable[[RolloutContext[Any]], None] = lambda _: None,
        on_failure: Sequence[Act] = (),
    ) -> RolloutContext[Any]:
        """Return the context of a rollout.

        Args:
            before: number of the stage before which `act` is one more.
        """
        stages = list(plan.stages)
        if before is not None:
            stages.insert(before, Stage(name="act", steps=(Act(call=act),)))
        plan = dataclasses.replace(plan, stages=tuple(stages), on_failure=tuple(on_failure))
        log = RolloutLog(clock=self.clock, begun=self.clock.monotonic())
        entry = dataclasses.replace(
            deployment(plan.number, plan.release), number=plan.number, kind=plan.kind
        )
        return RolloutContext(
            plan=plan,
            runtime=self.platform.start_rollout(),
            secrets={},
            credentials=None,
            events=self.events,
            clock=self.clock,
            journal=Journal(store, plan, entry, clock=self.clock, log=log),
            log=log,
        )
