"""What every step of a rollout is handed: one object instead of many arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from deploy_action.checks.request_probe import stats
from deploy_action.parallel import Cancel

if TYPE_CHECKING:
    from deploy_action.checks.request_probe import RequestStats, RouteProbe
    from deploy_action.clock import Clock
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Secret
    from deploy_action.rollout.journal import Journal
    from deploy_action.rollout.log import RolloutLog
    from deploy_action.rollout.plan import Plan

__all__ = ["Credentials", "RolloutContext"]

Runtime = TypeVar("Runtime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A registry login; the password is revealed only where the engine's request is written."""

    username: str
    password: Secret


@dataclass(slots=True, kw_only=True)
class RolloutContext(Generic[Runtime]):
    """One rollout under way.

    Attributes:
        runtime: what the platform keeps while its steps run (connections, started replicas).
        secrets: values of the declared secrets.
        probes: requests that go through the edge all the while.
    """

    plan: Plan
    runtime: Runtime
    secrets: Mapping[str, Secret]
    credentials: Credentials | None
    events: EventStream
    clock: Clock
    journal: Journal
    log: RolloutLog
    probes: Sequence[RouteProbe] = ()
    cancel: Cancel = field(default_factory=Cancel)

    def stats(self) -> RequestStats:
        """Return what the probes of all hosts have counted so far."""
        return stats(self.probes)
