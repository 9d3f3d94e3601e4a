"""What happened during a rollout, collected for the report and the ledger."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from deploy_action.clock import Clock
from deploy_action.errors import DeployActionError
from deploy_action.platforms.docker.cleanup import ReconcileResult
from deploy_action.releases.model import Phase

__all__ = ["RolloutLog", "explain", "first_line"]


@dataclass(slots=True, kw_only=True)
class RolloutLog:
    """Notes for people, logs of containers that failed, and the timeline, from `begun` on."""

    clock: Clock
    begun: float
    notes: list[str] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    phases: list[Phase] = field(default_factory=list)

    def take(self, done: ReconcileResult) -> None:
        """Take over what converging a host came to."""
        self.notes += done.notes
        self.logs = done.logs | self.logs

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the beginning, to the millisecond."""
        return round(self.clock.monotonic() - self.begun, 3)

    @contextlib.contextmanager
    def phase(self, name: str, host: str) -> Iterator[None]:
        """Add one bar to the timeline, whether what is done inside fails or not."""
        start = self.elapsed_seconds
        try:
            yield
        finally:
            end = self.elapsed_seconds
            self.phases.append(Phase(name=name, host=host, start_seconds=start, end_seconds=end))


def first_line(error: BaseException) -> str:
    """Return an error's first line, or its kind when it has no words."""
    return (str(error).splitlines() or [type(error).__name__])[0] or type(error).__name__


def explain(error: BaseException) -> str:
    """Return an error's words and cause in one line for the ledger."""
    if isinstance(error, DeployActionError):
        return f"{error.what} ({error.cause})" if error.cause else error.what
    return f"{type(error).__name__}: {first_line(error)}"
