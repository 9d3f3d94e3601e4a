"""A clock that never waits: to sleep is to move it on."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

__all__ = ["FakeClock", "time_at"]

_LOOK_SECONDS = 1e-6
_BEGIN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class FakeClock:
    """Time for all threads of a test."""

    def __init__(self) -> None:
        """Begin at second 0."""
        self._guard = threading.Lock()
        self._now = 0.0

    def monotonic(self) -> float:
        """Return the seconds that were slept so far; to look at a clock takes time too."""
        with self._guard:
            self._now += _LOOK_SECONDS
            return self._now

    def sleep(self, seconds: float) -> None:
        """Move on, at once."""
        with self._guard:
            self._now += seconds

    def now(self) -> datetime:
        """Return a wall clock's time that goes along."""
        return time_at(self.monotonic())


def time_at(seconds: float) -> datetime:
    """Return the wall clock's time at a moment of the monotonic clock."""
    return _BEGIN + timedelta(seconds=seconds)
