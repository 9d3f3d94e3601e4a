"""Analysis: what the edge counted since a moment, and what it says of a release."""

from __future__ import annotations

import pytest

from deploy_action.checks.analysis import Bad, Fine, Inconclusive, Traffic, judge, traffic
from deploy_action.config.model import Analysis
from deploy_action.platforms.docker.edge.state import ServerStatus


def server(requests: int, errors: int = 0, refused: int = 0, milliseconds: int = 5) -> ServerStatus:
    return ServerStatus(
        name="shop-1",
        up=True,
        checked=True,
        last_check="L7OK",
        weight=1,
        sessions=0,
        requests=requests,
        errors_5xx=errors,
        unanswered=refused,
        response_milliseconds=milliseconds,
    )


def test_only_what_was_served_since_counts() -> None:
    """Of the named servers, by the slowest one's latency; one that is gone counts nothing."""
    before = {"a": server(100, 10), "b": server(5)}
    after = {"a": server(130, 12, 3, 7), "b": server(9, milliseconds=40), "c": server(1000, 1000)}
    assert traffic(before, after, ("a", "b", "gone")) == Traffic(
        requests=34, failed=5, milliseconds=40
    )


def test_a_counter_that_fell_counts_from_zero() -> None:
    """A reload of the edge resets its counters."""
    assert traffic({"a": server(100, 10)}, {"a": server(4, 1)}, "a") == Traffic(
        requests=4, failed=1, milliseconds=5
    )


@pytest.mark.parametrize(
    ("requests", "failed", "milliseconds", "verdict"),
    [
        (19, 19, 5, Inconclusive),
        (100, 15, 5, Fine),
        (100, 16, 5, Bad),
        (100, 0, 501, Bad),
    ],
)
def test_a_release_is_compared_with_the_limits_and_with_the_previous_one(
    requests: int, failed: int, milliseconds: int, verdict: type
) -> None:
    """A tenth of the previous release's requests fail too: that much is not the new one's fault."""
    limits = Analysis(errors=0.05, latency_seconds=0.5, requests=20)
    new = Traffic(requests=requests, failed=failed, milliseconds=milliseconds)
    old = Traffic(requests=50, failed=5, milliseconds=5)
    assert isinstance(judge(new, old, limits), verdict)


def test_both_rates_are_told() -> None:
    """And what is allowed."""
    new = Traffic(requests=100, failed=20, milliseconds=5)
    old = Traffic(requests=0, failed=0, milliseconds=0)
    verdict = judge(new, old, Analysis(errors=0.05, requests=20))
    assert isinstance(verdict, Bad)
    assert verdict.why == (
        "20 of 100 requests failed (20.0%; the previous release: 0.0%; allowed: 5.0% more)"
    )
