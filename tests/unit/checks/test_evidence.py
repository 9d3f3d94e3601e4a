"""Evidence: no bet is won on average while all is as allowed; bounds of a share of failures."""

from __future__ import annotations

from itertools import product
from math import comb

import pytest

from deploy_action.checks.evidence import Evidence, failing_at_most, needed_without_failures


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5])
def test_looking_after_every_block_wins_nothing_on_average(share: float) -> None:
    """Over all courses of six blocks, each with one failure that is the new release's with the
    share that is allowed: the evidence's mean is 1 after each of them."""
    means = [0.0] * 6
    for course in product((0, 1), repeat=6):
        evidence, chance = Evidence(), 1.0
        for block, seen in enumerate(course):
            chance *= share if seen else 1 - share
            evidence.add(seen, share)
            # The later blocks' chances add up to 1 for each beginning.
            means[block] += chance * evidence.value / 2 ** (5 - block)
    assert means == pytest.approx([1.0] * 6)


def test_more_failures_than_allowed_are_found_and_fewer_never() -> None:
    """Twice as many in each block end at any threshold; half as many end at nothing."""
    bad, good = Evidence(), Evidence()
    for _ in range(60):
        bad.add(4, 2)
        good.add(1, 2)
    assert bad.value > 1e6
    assert good.value < 0.1


def test_what_turns_bad_late_is_found() -> None:
    """An hour without trouble has not used up the wealth that finds it."""
    evidence = Evidence()
    for _ in range(720):
        evidence.add(0, 2)
    quiet = evidence.value
    blocks = 0
    while evidence.value < 100:
        evidence.add(8, 2)
        blocks += 1
    assert quiet < 0.1
    assert blocks < 20


def test_a_block_in_which_nothing_may_fail_says_nothing() -> None:
    """Nobody asked for anything."""
    evidence = Evidence()
    evidence.add(5, 0)
    assert evidence.value == 1


@pytest.mark.parametrize(("failed", "requests"), [(0, 149), (3, 100), (40, 100), (9, 1000), (1, 2)])
def test_the_bound_is_the_share_that_is_exceeded_in_one_of_twenty(
    failed: int, requests: int
) -> None:
    """Held against the binomial distribution, term by term."""
    bound = failing_at_most(failed, requests)
    terms = (
        comb(requests, k) * bound**k * (1 - bound) ** (requests - k) for k in range(failed + 1)
    )
    assert sum(terms) == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize(("failed", "requests"), [(0, 0), (5, 5), (7, 5)])
def test_without_an_answer_nothing_is_ruled_out(failed: int, requests: int) -> None:
    """Counters that were read at different times may say more failures than requests."""
    assert failing_at_most(failed, requests) == 1


def test_many_failures_are_counted_at_once() -> None:
    """A million requests cost no time, and the bound closes in on the share."""
    assert 0.1 < failing_at_most(100_000, 1_000_000) < 0.101


@pytest.mark.parametrize(("share", "needed"), [(0.02, 149), (0.005, 598), (0.0, 0), (1.0, 0)])
def test_so_many_good_answers_rule_a_share_out(share: float, needed: int) -> None:
    """The smallest number whose bound is below the share."""
    assert needed_without_failures(share) == needed
    if needed:
        assert failing_at_most(0, needed) <= share < failing_at_most(0, needed - 1)
