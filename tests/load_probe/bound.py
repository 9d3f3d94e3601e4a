"""How high a loss rate may be when so few of so many requests were lost."""

from __future__ import annotations

import math

__all__ = ["upper_bound"]


def upper_bound(sent: int, lost: int, *, confidence: float = 0.95) -> float:
    """Return the one-sided Clopper-Pearson upper bound on the rate of loss.

    It is the rate at which seeing `lost` or fewer among `sent` would happen with a probability of
    1 - `confidence` only. With nothing lost this is 1 - (1 - confidence) ** (1 / sent), which the
    rule of three writes as 3 / sent. Nothing sent means nothing known: 1.

    The bound takes losses to be independent of each other. They come in bursts around a switch,
    so it speaks of the time that was measured, not of switches that were not.

    Source: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case
    of the binomial", Biometrika 26 (1934).
    """
    if not 0 <= lost <= sent or not 0 < confidence < 1:
        raise ValueError(f"{lost} lost of {sent}, confidence {confidence}: impossible")
    if lost == sent:
        return 1.0
    target = math.log(1 - confidence)
    low, high = lost / sent, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if _log_at_most(sent, lost, middle) > target:
            low = middle
        else:
            high = middle
    return high


def _log_at_most(trials: int, events: int, rate: float) -> float:
    """Return the logarithm of P(X <= events) for a binomial X whose mean is not below `events`.

    There the terms only fall from `events` downwards, each by the ratio below, so the sum is
    over when they no longer count: after some multiple of the square root of `events`.
    """
    if rate == 0:
        return 0.0
    log_first = (
        math.lgamma(trials + 1)
        - math.lgamma(events + 1)
        - math.lgamma(trials - events + 1)
        + events * math.log(rate)
        + (trials - events) * math.log1p(-rate)
    )
    total = term = 1.0
    odds = (1 - rate) / rate
    for k in range(events, 0, -1):
        term *= k / (trials - k + 1) * odds
        total += term
        if term < total * 1e-17:
            break
    return log_first + math.log(total)
