"""Analysis: what servers served from look to look, and what it says of a release."""

from __future__ import annotations

import random

import pytest

from deploy_action.checks.analysis import (
    Bad,
    CannotTell,
    Good,
    Meter,
    NoData,
    Traffic,
    TrafficJudge,
)
from deploy_action.config.model import Analysis, ErrorLimits
from deploy_action.platforms.docker.edge.state import ServerStatus

NONE = Traffic()


def server(requests: int, errors: int = 0, refused: int = 0, started: int = 0) -> ServerStatus:
    return ServerStatus(
        name="shop-1",
        up=True,
        checked=True,
        last_check="L7OK",
        weight=1,
        sessions=0,
        started=started or requests,
        requests=requests,
        errors_5xx=errors,
        unanswered=refused,
        response_milliseconds=5,
    )


def test_a_meter_counts_from_look_to_look() -> None:
    """What was served before it, and what a server served that came later, is not counted."""
    meter = Meter({"a": server(100, 10), "b": server(5)})
    assert meter.read({"a": server(130, 12, 3), "c": server(1000, 1000)}) == {
        "a": Traffic(requests=30, failed=5, milliseconds=5)
    }
    assert meter.read({"a": server(131, 12, 3), "c": server(1002, 1001)}) == {
        "a": Traffic(requests=1, failed=0, milliseconds=5),
        "c": Traffic(requests=2, failed=1, milliseconds=5),
    }


def test_a_look_with_a_reload_before_it_says_nothing() -> None:
    """A reload resets the counters; from the next look on the new ones count."""
    meter = Meter({"a": server(100, 10)})
    assert meter.read({"a": server(4, 1)}) is None
    assert meter.read({"a": server(6, 2)}) == {"a": Traffic(requests=2, failed=1, milliseconds=5)}


def test_counters_that_dip_are_no_reload_and_count_nothing_twice() -> None:
    """HAProxy counts a request and its end at different times."""
    meter = Meter({"a": server(100, 0, 10, started=120)})
    assert meter.read({"a": server(98, 0, 8, started=125)}) == {"a": Traffic(milliseconds=5)}
    assert meter.read({"a": server(103, 0, 11, started=130)}) == {
        "a": Traffic(requests=3, failed=1, milliseconds=5)
    }


class Deployment:
    """A deployment whose hosts all get the same traffic, in looks half a second apart."""

    def __init__(self, limits: Analysis | None = None, *, phases: int = 1) -> None:
        self.judge = TrafficJudge(Analysis() if limits is None else limits, phases=phases)
        self.at = 0.0

    def step(
        self,
        share: float,
        seconds: float,
        new: tuple[int, float],
        old: tuple[int, float],
        *,
        hosts: int = 1,
        seed: int = 1,
    ) -> Bad | None:
        """Run one step, with (requests a second and host, share of failures) of each release."""
        chance = random.Random(seed)
        self.judge.begin(share, self.at)
        end = self.at + seconds
        while self.at < end:
            self.at += 0.5
            for host in range(hosts):
                served = (self._served(chance, *each) for each in (new, old))
                bad = self.judge.observe(f"host-{host}", self.at, *served)
                if bad is not None:
                    return bad
        return None

    def _served(self, chance: random.Random, rate: int, share: float) -> Traffic:
        requests = rate // 2
        failed = sum(chance.random() < share for _ in range(requests))
        return Traffic(requests=requests, failed=failed)


@pytest.mark.parametrize(
    ("failing", "within"), [(0.01, 150), (0.05, 40), (0.2, 30), (1.0, 12)], ids=str
)
def test_a_worse_canary_is_found(failing: float, within: float) -> None:
    """Beside an old release with one failure in a thousand; the worse, the sooner."""
    run = Deployment()
    bad = run.step(0.1, 300, (10, failing), (90, 0.001))
    assert bad is not None
    assert run.at <= within
    assert bad.binding


@pytest.mark.parametrize("failing", [0.0, 0.001, 0.03, 0.4], ids=str)
def test_a_canary_like_the_old_release_is_good(failing: float) -> None:
    """Whatever the old one's share of failures is, on four hosts, for five minutes."""
    run = Deployment()
    for share, new, old in ((0.1, 10, 90), (0.5, 50, 50)):
        assert run.step(share, 150, (new, failing), (old, failing), hosts=4) is None
        assert isinstance(run.judge.conclude(run.at), Good)


def test_an_incident_of_both_is_nobodys_fault() -> None:
    """The database is away for a minute: a third of all requests fail, old and new alike."""
    run = Deployment()
    for failing in (0.001, 0.3, 0.001):
        assert run.step(0.1, 60, (10, failing), (90, failing), hosts=4) is None


def test_few_failures_against_none_are_within_the_floor() -> None:
    """A ratio alone would be infinite: 0.1 % against 0 is allowed."""
    run = Deployment()
    assert run.step(0.1, 600, (50, 0.001), (450, 0.0)) is None


def test_one_bad_host_of_eight_is_found_and_named() -> None:
    """The evidence of all hosts is one, and the message says where to look."""
    judge = TrafficJudge(Analysis())
    judge.begin(0.1, 0.0)
    bad, at = None, 0.0
    while bad is None and at < 60:
        at += 1
        for host in range(8):
            failed = 5 if host == 3 else 0
            new = Traffic(requests=10, failed=failed)
            bad = bad or judge.observe(f"host-{host}", at, new, Traffic(requests=90))
    assert bad is not None
    assert "host-3" in bad.text


def test_a_bake_is_held_against_the_limit() -> None:
    """There is no old traffic: 2 % are over 1 %, half a percent is not; a single burst is none."""
    assert Deployment(Analysis(limit=0.01)).step(1, 600, (100, 0.04), (0, 0.0)) is not None
    assert Deployment(Analysis(limit=0.01)).step(1, 600, (100, 0.005), (0, 0.0)) is None
    judge = TrafficJudge(Analysis())
    judge.begin(1, 0.0)
    for second in range(60):
        failed = 80 if second in (20, 21, 22) else 0
        assert judge.observe("a", second, Traffic(requests=100, failed=failed), NONE) is None


def test_evidence_goes_on_from_step_to_step() -> None:
    """Nobody gets a new chance because the share rises."""
    short, whole = Deployment(), Deployment()
    assert short.step(0.1, 10, (10, 0.2), (90, 0.001)) is None
    bad = short.step(0.2, 60, (20, 0.2), (80, 0.001))
    assert whole.step(0.2, 60, (20, 0.2), (80, 0.001)) is not None
    assert bad is not None
    assert short.at - 10 < whole.at


def test_false_alarms_are_shared_by_canary_and_bake() -> None:
    """Each of two phases may err half as often, so that the deployment keeps its promise."""
    one, two = Deployment(), Deployment(phases=2)
    for run in (one, two):
        assert run.step(0.1, 300, (10, 0.05), (90, 0.001)) is not None
    assert one.at <= two.at


def test_a_dry_run_is_told_and_does_not_bind() -> None:
    """Before one trusts it."""
    run = Deployment(Analysis(errors=ErrorLimits(dry_run=True)))
    bad = run.step(0.1, 60, (10, 1.0), (90, 0.0))
    assert bad is not None
    assert not bad.binding


def test_latency_is_what_the_slowest_host_answers_now() -> None:
    """A mean that came down again is no reason, and few requests are none."""
    judge = TrafficJudge(Analysis(latency_seconds=0.5))
    judge.begin(0.1, 0.0)
    few = Traffic(requests=5, milliseconds=900)
    assert judge.observe("a", 1.0, few, NONE) is None
    assert judge.observe("a", 2.0, Traffic(requests=50, milliseconds=400), NONE) is None
    bad = judge.observe("b", 3.0, Traffic(requests=50, milliseconds=501), NONE)
    assert bad is not None
    assert "501 ms" in bad.text
    assert "worst on b" in bad.text


def test_no_request_at_all_is_told_apart_from_little_traffic() -> None:
    """540 requests to the old release and none to the new one are no accident at 10 %."""
    for old, verdict in ((540, NoData), (5, CannotTell)):
        judge = TrafficJudge(Analysis())
        judge.begin(0.1, 0.0)
        judge.observe("a", 60.0, NONE, Traffic(requests=old))
        assert type(judge.conclude(60.0)) is verdict


def test_too_few_requests_are_no_verdict_and_say_how_many_are_missing() -> None:
    """63 good answers do not rule out 2 %: 149 do."""
    judge = TrafficJudge(Analysis())
    judge.begin(0.1, 0.0)
    judge.observe("a", 63.0, Traffic(requests=63), Traffic(requests=600))
    verdict = judge.conclude(63.0)
    assert isinstance(verdict, CannotTell)
    assert not verdict.suspicious
    assert "149" in verdict.text
    assert "86 s" in verdict.text


def test_failures_without_a_proof_are_suspicious() -> None:
    """Half of few requests failed: not proved bad yet, and nothing to go on with."""
    judge = TrafficJudge(Analysis())
    judge.begin(0.1, 0.0)
    judge.observe("a", 1.0, Traffic(requests=6, failed=3), Traffic(requests=60))
    verdict = judge.conclude(1.0)
    assert isinstance(verdict, CannotTell)
    assert verdict.suspicious


def test_the_step_is_told_once_for_all_hosts() -> None:
    """Each host asks; a new step is told again."""
    judge = TrafficJudge(Analysis())
    judge.begin(0.1, 0.0)
    assert [judge.first(), judge.first()] == [True, False]
    judge.begin(0.5, 1.0)
    assert judge.first()


def test_the_message_of_a_bad_release() -> None:
    """Both shares in the same time, what is allowed, and how sure that is."""
    judge = TrafficJudge(Analysis())
    judge.begin(0.1, 0.0)
    bad = None
    for second in range(1, 60):
        new, old = Traffic(requests=20, failed=2), Traffic(requests=180, failed=0)
        bad = judge.observe("a", second, new, old)
        if bad:
            break
    assert bad is not None
    assert bad.text == (
        "30 of 300 requests to the new release failed (10 %) within 15 s: 0 % of the old release's "
        "failed in the same time; 1.5 times as many and 0.2 % are allowed. Chance of an accident: "
        "under 1 in 100"
    )
