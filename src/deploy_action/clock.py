"""Time, as something that can be handed in: deadlines are monotonic, timestamps are for people."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """What passes time; tests hand in one that does not wait."""

    def monotonic(self) -> float:
        """Return seconds that never jump, for deadlines."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def now(self) -> datetime:
        """Return the wall clock's time in UTC, for timestamps only."""


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """Return time.monotonic()."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait with time.sleep()."""
        time.sleep(seconds)

    def now(self) -> datetime:
        """Return the present time in UTC."""
        return datetime.now(UTC)
