"""The statistics: bounds against exact values, percentiles against known latencies."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from tests.load_probe import Kind, Loss, upper_bound
from tests.load_probe.tally import Tally


def exactly_at_most(trials: int, events: int, rate: Fraction) -> Fraction:
    """P(X <= events), without rounding."""
    return sum(
        (math.comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(events + 1)),
        Fraction(0),
    )


@pytest.mark.parametrize(
    ("sent", "lost"), [(1, 0), (10, 0), (10, 1), (10, 9), (50, 25), (200, 3), (300, 150)]
)
def test_the_bound_is_clopper_pearson_s(sent: int, lost: int) -> None:
    """At the bound, so few losses would be seen with a probability of exactly 5 %."""
    bound = upper_bound(sent, lost)
    assert float(exactly_at_most(sent, lost, Fraction(bound))) == pytest.approx(0.05, rel=1e-6)


def test_nothing_lost_is_the_rule_of_three() -> None:
    """With many requests and no loss it is three in that many."""
    assert upper_bound(1_000_000, 0) == pytest.approx(3 / 1_000_000, rel=0.002)
    assert upper_bound(1_000_000, 0) == pytest.approx(1 - 0.05**1e-6, rel=1e-6)


def test_the_bound_of_big_numbers_is_the_normal_one() -> None:
    """A million requests with many losses agree with the central limit, and are quick."""
    sent, lost = 1_000_000, 200_000
    rate = lost / sent
    assert upper_bound(sent, lost) == pytest.approx(
        rate + 1.6449 * math.sqrt(rate * (1 - rate) / sent), rel=1e-5
    )


def test_nothing_known_is_the_worst() -> None:
    """No requests, or all lost, bound nothing; impossible numbers are refused."""
    assert upper_bound(0, 0) == upper_bound(5, 5) == 1.0
    for sent, lost in ((1, 2), (-1, -1), (1, -1)):
        with pytest.raises(ValueError, match="impossible"):
            upper_bound(sent, lost)


def test_more_losses_are_a_higher_bound() -> None:
    """The bound grows with losses and shrinks with requests."""
    by_lost = [upper_bound(1000, lost) for lost in range(0, 1001, 50)]
    assert by_lost == sorted(by_lost)
    assert upper_bound(2000, 1) < upper_bound(1000, 1)


def test_percentiles_are_close_from_above() -> None:
    """Buckets cost at most five percent, upwards; the maximum is exact."""
    tally = Tally("http://127.0.0.1/")
    for millisecond in range(1, 1001):
        tally.begin(Kind.NEW)
        tally.succeed(Kind.NEW, millisecond / 1000, "")
    latency = tally.snapshot().latency
    for share, got in ((0.5, latency.median), (0.9, latency.p90), (0.99, latency.p99)):
        assert share <= got <= share * 1.05 + 1e-9
    assert latency.maximum == 1.0


def test_memory_is_bounded() -> None:
    """However many versions and losses there are, only some are kept; all are counted."""
    tally = Tally("http://127.0.0.1/")
    for number in range(1000):
        tally.begin(Kind.NEW)
        tally.succeed(Kind.NEW, 0.001, f"v{number}")
        tally.begin(Kind.POST)
        tally.lose(Kind.POST, Loss.RESET, "x" * 1000)
    result = tally.snapshot()
    assert (result.ok, result.lost, result.sent) == (1000, 1000, 2000)
    assert (len(result.versions), len(result.examples)) == (100, 50)
    assert all(len(example.detail) <= 200 for example in result.examples)


def test_a_result_is_told_in_one_line() -> None:
    """Sent, lost, how, and how sure that is."""
    tally = Tally("http://127.0.0.1/")
    for _ in range(3000):
        tally.begin(Kind.NEW)
        tally.succeed(Kind.NEW, 0.001, "")
    assert str(tally.snapshot()) == "3,000 requests, 0 lost, at most 0.100% at 95 % confidence"
