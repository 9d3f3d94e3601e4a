"""Collects what happened during a rollout, for the report and the ledger."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deploy_action.errors import DeployActionError
from deploy_action.redaction import redact
from deploy_action.releases.model import Excerpt, Phase
from deploy_action.rollout.log_excerpt import notable_lines

if TYPE_CHECKING:
    from deploy_action.checks.result import CheckResult
    from deploy_action.clock import Clock
    from deploy_action.platforms.protocol import ReconcileResult
    from deploy_action.results.notes import Note

__all__ = ["RolloutLog", "explain", "first_line"]


@dataclass(slots=True, kw_only=True)
class RolloutLog:
    """Notes, container logs, check results and the timeline of one rollout.

    Attributes:
        begun: monotonic seconds at which the timeline starts.
        notes: what people should know, also in the ledger.
        logs: of containers that were removed, by name and host, without secrets.
    """

    clock: Clock
    begun: float
    notes: list[Note | str] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    checks: list[CheckResult] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)

    def note(self, text: Note | str) -> None:
        """Add a note once, however many hosts have it."""
        if text not in self.notes:
            self.notes.append(text)

    def add(self, result: ReconcileResult) -> None:
        """Take over what reconciling found."""
        self.notes += result.notes
        self.logs = dict(result.logs) | self.logs

    def excerpts(self) -> tuple[Excerpt, ...]:
        """Return the first and last words of each log."""
        return tuple(
            Excerpt(title=f"log of {name}", lines=notable_lines(text))
            for name, text in self.logs.items()
        )

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
    """Return an error's first line, or its type when it has no message."""
    return (redact(str(error)).splitlines() or [""])[0] or type(error).__name__


def explain(error: BaseException) -> str:
    """Return an error's message and cause in one line for the ledger."""
    if isinstance(error, DeployActionError):
        return f"{error.what} ({error.cause})" if error.cause else error.what
    return f"{type(error).__name__}: {first_line(error)}"
