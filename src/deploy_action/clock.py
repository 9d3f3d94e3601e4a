"""The clock that callers pass in: monotonic for deadlines, wall-clock time for people."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """A source of time; tests pass one that does not wait."""

    def monotonic(self) -> float:
        """Return seconds that never jump, for deadlines."""

    def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds."""

    def now(self) -> datetime:
        """Return the wall clock's time in UTC, for timestamps only."""


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def now(self) -> datetime:
        return datetime.now(UTC)
