"""Watching a release after the switch, while the old one still runs."""

from __future__ import annotations

from collections.abc import Callable

from deploy_action.clock import Clock

__all__ = ["watch"]


def watch(
    seconds: float, check: Callable[[], str | None], clock: Clock, interval_seconds: float
) -> str | None:
    """Repeat a check until the time is over, once more at its end.

    Rounds begin every `interval_seconds`; a round that takes longer delays the next, they never
    overlap. Watching for no seconds is one round.

    Args:
        check: one round; returns a reason to end the watch, or None.

    Returns:
        The reason that ended it, or None when the whole time went by.
    """
    started = clock.monotonic()
    while True:
        round_started = clock.monotonic()
        reason = check()
        elapsed = clock.monotonic() - started
        if reason or elapsed >= seconds:
            return reason
        next_round = min(round_started + interval_seconds, started + seconds)
        clock.sleep(max(0.0, next_round - clock.monotonic()))
