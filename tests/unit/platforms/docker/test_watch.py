"""Watching: what a verdict on the traffic comes to, and for how long a step goes on without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from tests.fakes.clock import FakeClock
from tests.fakes.values import environment
from tests.support.errors import fails_with

from deploy_action.checks.analysis import TrafficJudge
from deploy_action.config.model import Analysis, ErrorLimits, Strategy
from deploy_action.errors import ErrorCode
from deploy_action.events.model import Event, Message, WarningMessage
from deploy_action.events.stream import EventStream
from deploy_action.parallel import Cancel
from deploy_action.platforms.docker.edge.state import ServerStatus
from deploy_action.platforms.docker.watch import Watcher

Served = tuple[int, int]
"""Requests and failures."""


@dataclass
class Seen:
    """An observer that keeps what it is told."""

    name: str = "the test"
    events: list[Event] = field(default_factory=list)

    def notify(self, event: Event) -> None:
        self.events.append(event)

    def close(self, timeout_seconds: float) -> tuple[()]:
        return ()


@dataclass
class Bench:
    """A host whose edge has served what a function of the time says."""

    new: Callable[[float], Served]
    old: Callable[[float], Served]
    analysis: Analysis = field(default_factory=Analysis)
    clock: FakeClock = field(default_factory=FakeClock)
    seen: Seen = field(default_factory=Seen)

    def servers(self, backend: str) -> Mapping[str, ServerStatus]:
        at = self.clock.monotonic()
        return {"new": _status("new", self.new(at)), "old": _status("old", self.old(at))}

    def container(self, id: str) -> Any:
        return SimpleNamespace(running=True, health=None)

    def judge(self, seconds: float = 10.0, share: float = 0.1) -> float:
        """Watch one step; return how long it took."""
        session = SimpleNamespace(get=lambda _: None)
        host: Any = SimpleNamespace(
            name="web-1",
            clock=self.clock,
            edge=self,
            engine=self,
            backend="shop_production",
            session=session,
            placement=SimpleNamespace(service="shop", environment="production"),
        )
        replica: Any = SimpleNamespace(name="new", container=SimpleNamespace(id="1"))
        watcher = Watcher(
            host=host,
            configuration=environment(strategy=Strategy(canary=(10,), analysis=self.analysis)),
            replicas=(replica,),
            cancel=Cancel(),
            events=EventStream([self.seen]),
            number=1,
        )
        began = self.clock.monotonic()
        assert watcher.judge(seconds, lambda: None, TrafficJudge(self.analysis), share) is None
        return self.clock.monotonic() - began

    def told(self, kind: type[Message | WarningMessage]) -> list[str]:
        return [event.text for event in self.seen.events if isinstance(event, kind)]


def _status(name: str, served: Served) -> ServerStatus:
    return ServerStatus(
        name=name,
        up=True,
        checked=True,
        last_check="",
        weight=1,
        sessions=0,
        started=served[0],
        requests=served[0],
        errors_5xx=served[1],
        unanswered=0,
        response_milliseconds=5,
    )


def steady(rate: float, failing: float = 0.0) -> Callable[[float], Served]:
    """Serve so many requests a second, of which every 1/failing-th fails."""
    return lambda at: (int(rate * at), int(int(rate * at) * failing))


def test_a_good_canary_takes_its_pause_and_no_longer() -> None:
    """And what was ruled out is said."""
    bench = Bench(steady(50), steady(450))
    assert bench.judge() == pytest.approx(10, abs=0.1)
    assert any("at most" in text for text in bench.told(Message))


def test_a_bad_canary_fails_before_its_pause_is_over() -> None:
    """As soon as the promise allows it."""
    bench = Bench(steady(50, 0.2), steady(450))
    with fails_with(ErrorCode.ANALYSIS_FAILED):
        bench.judge(seconds=300)
    assert bench.clock.monotonic() < 30


def test_a_dry_run_says_so_and_goes_on() -> None:
    """Once, not at every look."""
    analysis = Analysis(errors=ErrorLimits(dry_run=True))
    bench = Bench(steady(50, 0.2), steady(450), analysis)
    assert bench.judge(seconds=60) == pytest.approx(60, abs=0.1)
    [text] = bench.told(WarningMessage)
    assert text.startswith("dry_run: ")


def test_a_suspicious_canary_is_watched_until_it_is_proved_bad() -> None:
    """A pause too short for a proof does not let half of all requests fail."""
    bench = Bench(steady(20, 0.5), steady(180))
    with fails_with(ErrorCode.ANALYSIS_FAILED):
        bench.judge(seconds=1)
    assert 5 < bench.clock.monotonic() < 61


def test_suspicion_alone_does_not_hold_for_ever() -> None:
    """Two failures at the very beginning, and hardly any traffic after: a warning says so."""
    bench = Bench(lambda at: (4 + int(at / 20), 2), lambda at: (40 + int(at), 0))
    bench.new, early = lambda at: (0, 0) if at < 0.2 else (4 + int(at / 30), 2), bench.new
    assert early(0) == (4, 2)
    assert bench.judge(seconds=2) == pytest.approx(62, abs=1)
    assert bench.told(WarningMessage)


@pytest.mark.parametrize(("no_data", "longest"), [("fail", 11), ("hold", 61)])
def test_a_canary_without_any_request_fails(no_data: Any, longest: float) -> None:
    """At its end, or after five more pauses: its route or weight does not work."""
    bench = Bench(steady(0), steady(100), Analysis(no_data=no_data))
    with fails_with(ErrorCode.ANALYSIS_INCONCLUSIVE):
        bench.judge()
    assert longest - 1.5 < bench.clock.monotonic() < longest


def test_a_canary_without_any_request_may_pass_with_a_warning() -> None:
    """Where deploy.yaml says so."""
    bench = Bench(steady(0), steady(100), Analysis(no_data="pass"))
    assert bench.judge() == pytest.approx(10, abs=0.1)
    assert bench.told(WarningMessage)


def test_a_quiet_hour_holds_nobody() -> None:
    """Without traffic on either release nothing is wrong, and nothing is known."""
    bench = Bench(steady(0), steady(0))
    assert bench.judge() == pytest.approx(10, abs=0.1)
    assert not bench.told(WarningMessage)
    assert any("no sign of trouble" in text for text in bench.told(Message))
