"""Watching a release after the switch, while the old one is still warm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deploy_action.clock import Clock

__all__ = ["Baked", "Spoiled", "watch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baked:
    """The whole time went by; `failed_rounds` were tolerated."""

    seconds: float
    rounds: int
    failed_rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoiled:
    """It failed; `reason` is the last round's."""

    seconds: float
    rounds: int
    reason: str


def watch(
    seconds: float,
    probes: Callable[[], str | None],
    clock: Clock,
    interval_seconds: float,
    *,
    failures: int = 1,
) -> Baked | Spoiled:
    """Repeat the probes until the time is over, once more at its end.

    Rounds begin every `interval_seconds`; a round that takes longer delays the next, they never
    overlap. A bake of no seconds is one round.

    Args:
        probes: one round of checks; returns why it failed, or None.
        failures: how many rounds in a row must fail to end it. Where the time ends on fewer,
            more rounds are made until it is decided.
    """
    started = clock.monotonic()
    rounds = failed_rounds = in_a_row = 0
    while True:
        begun = clock.monotonic()
        reason = probes()
        rounds += 1
        in_a_row = in_a_row + 1 if reason else 0
        failed_rounds += bool(reason)
        elapsed = clock.monotonic() - started
        if reason and in_a_row >= failures:
            return Spoiled(seconds=elapsed, rounds=rounds, reason=reason)
        if not reason and elapsed >= seconds:
            return Baked(seconds=elapsed, rounds=rounds, failed_rounds=failed_rounds)
        next_round = begun + interval_seconds
        if elapsed < seconds:
            next_round = min(next_round, started + seconds)
        clock.sleep(max(0.0, next_round - clock.monotonic()))
