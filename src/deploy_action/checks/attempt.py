"""Trying a check again until it passes or its deadline is over."""

from __future__ import annotations

from collections.abc import Callable

from deploy_action.checks.result import CheckFailure, CheckResult
from deploy_action.clock import Clock
from deploy_action.config.model import Retry

__all__ = ["ONCE", "attempt"]

ONCE = Retry(deadline_seconds=0.0)
_MIN_INTERVAL_SECONDS = 0.01


def attempt(
    name: str,
    where: str,
    *,
    retry: Retry,
    clock: Clock,
    one_try: Callable[[], tuple[CheckFailure, ...]],
) -> CheckResult:
    """Try until one try passes, or until the next would begin after the deadline.

    A try that has begun may use its own timeout to the full, so that it fails for the
    application's reason and not for lack of time: in all it takes at most the deadline and one
    timeout.

    Args:
        one_try: makes one try and returns what failed, without secrets.
    """
    started = clock.monotonic()
    interval = max(retry.interval_seconds, _MIN_INTERVAL_SECONDS)
    attempts = 0
    while True:
        failures = one_try()
        attempts += 1
        seconds = clock.monotonic() - started
        if not failures or seconds + interval > retry.deadline_seconds:
            return CheckResult.of(name, where, failures, seconds=seconds, attempts=attempts)
        clock.sleep(interval)
