"""Evidence that something fails more often than allowed, which may be looked at after every block.

A bet against "it is not worse": its value is at most 1 on average as long as that is true, however
often and whenever one looks, so it reaches 1/risk with a probability of at most `risk` (Ville's
inequality). See Lindon and Malek, arXiv:2011.03567, and Turner and Grünwald, arXiv:2302.11401.
"""

from __future__ import annotations

import math

__all__ = ["Evidence", "failing_at_most", "needed_without_failures"]

_STAKES = (0.003, 0.01, 0.03, 0.08, 0.15, 0.25, 0.4, 0.6, 0.8, 0.97)
_PRIOR = tuple(share / 12 for share in (0.5, 0.5, 0.5, 0.5, 1, 1, 1, 1.5, 2, 3.5))
# After each block this share of the wealth is spread again, so that what turns bad late is found.
_SPREAD = 0.01
_DOUBT = 0.05


class Evidence:
    """The wealth of bets with several stakes, each on "more failures than allowed"."""

    def __init__(self) -> None:
        self._parts = list(_PRIOR)
        self.value = 1.0

    def add(self, seen: float, allowed: float) -> None:
        """Learn of one block of time.

        Args:
            seen: failures in it.
            allowed: failures that are to be expected at most; what is 0 says nothing.
        """
        if allowed <= 0:
            return
        ratio = seen / allowed - 1
        parts = [
            part * (1 + stake * ratio) for part, stake in zip(self._parts, _STAKES, strict=True)
        ]
        self.value = sum(parts)
        self._parts = [
            (1 - _SPREAD) * part + _SPREAD * self.value * share
            for part, share in zip(parts, _PRIOR, strict=True)
        ]


def failing_at_most(failed: float, requests: float) -> float:
    """Return the share of failures that is exceeded with a probability of 5 %: the upper bound of
    Clopper and Pearson."""
    x, n = math.ceil(failed), math.floor(requests)
    if n <= 0 or x >= n:
        return 1.0
    low, high = x / n, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if _at_most(x, n, middle) > _DOUBT:
            low = middle
        else:
            high = middle
    return high


def needed_without_failures(share: float) -> int:
    """Return how many requests, none of which fails, rule out that this share of them fails."""
    return math.ceil(math.log(_DOUBT) / math.log1p(-share)) if 0 < share < 1 else 0


def _at_most(x: int, n: int, p: float) -> float:
    """Return the probability of at most `x` of `n` when each has the probability `p`, above x/n."""
    if p >= 1:
        return 0.0
    logarithm = math.lgamma(n + 1) - math.lgamma(x + 1) - math.lgamma(n - x + 1)
    term = math.exp(logarithm + x * math.log(p) + (n - x) * math.log1p(-p))
    total = term
    # The terms fall fast below x, since p is above x/n.
    for k in range(x, 0, -1):
        term *= k * (1 - p) / ((n - k + 1) * p)
        total += term
        if term < total * 1e-12:
            break
    return total
