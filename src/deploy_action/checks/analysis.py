"""Judges a release by its real traffic on all hosts, with a promised share of false alarms; pure.

docs/explanation/analysis.md explains the method and what it cannot do.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from deploy_action.checks.evidence import Evidence, failing_at_most, needed_without_failures
from deploy_action.config.model import Analysis

__all__ = [
    "Bad",
    "CannotTell",
    "Good",
    "Meter",
    "NoData",
    "ServerCounters",
    "Traffic",
    "TrafficJudge",
    "Verdict",
]

_BROKEN = 0.5
"""A release that fails more than this share is found within seconds."""
_SLOW_WEIGHT = 0.8
_FEWEST_BAD_BLOCKS = 3
_SMALL_SHARE, _SHORTER = 0.25, 0.4
_FEWEST_FOR_LATENCY = 20
_UNLIKELY = 0.01


class ServerCounters(Protocol):
    """What an edge counts of a server."""

    @property
    def started(self) -> int: ...

    @property
    def requests(self) -> int: ...

    @property
    def errors_5xx(self) -> int: ...

    @property
    def unanswered(self) -> int: ...

    @property
    def response_milliseconds(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What some servers served between two looks. `milliseconds` is the slowest server's mean over
    its last 1,024 answers (HAProxy's rtime)."""

    requests: int = 0
    failed: int = 0
    milliseconds: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(
            requests=self.requests + other.requests,
            failed=self.failed + other.failed,
            milliseconds=max(self.milliseconds, other.milliseconds),
        )

    @property
    def share(self) -> float:
        """The share of failures."""
        return self.failed / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """There were enough requests to say that the release is not worse than is worth noticing."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CannotTell:
    """There is no proof in either direction; `suspicious` if so far too many requests failed."""

    text: str
    suspicious: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoData:
    """The new release got no request, although its share of the traffic would have been some."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """The release fails more than is allowed; by accident with at most the promised chance.

    `binding` is false for what is only to be told (`dry_run`).
    """

    text: str
    binding: bool = True


Verdict = Good | CannotTell | NoData | Bad


class Meter:
    """Tells what servers served from look to look, from counters that only rise until a reload.

    Args:
        counters: of each server, at the first look.
    """

    def __init__(self, counters: Mapping[str, ServerCounters]) -> None:
        self._seen = {name: _Reading.of(each) for name, each in counters.items()}

    def read(self, counters: Mapping[str, ServerCounters]) -> Mapping[str, Traffic] | None:
        """Return what each server served since the last look; nothing for one that is new.

        None if a counter fell: the edge was loaded anew, and what happened meanwhile is not known.
        """
        before, now = self._seen, {name: _Reading.of(each) for name, each in counters.items()}
        known = before.keys() & now.keys()
        if any(now[name].started < before[name].started for name in known):
            self._seen = now
            return None
        # A request and its end are counted at different times, so that these may dip.
        self._seen = now | {name: now[name].at_least(before[name]) for name in known}
        return {
            name: Traffic(
                requests=self._seen[name].requests - before[name].requests,
                failed=self._seen[name].failed - before[name].failed,
                milliseconds=counters[name].response_milliseconds,
            )
            for name in known
        }


@dataclass(frozen=True, slots=True)
class _Reading:
    started: int
    requests: int
    failed: int

    @classmethod
    def of(cls, status: ServerCounters) -> _Reading:
        return cls(status.started, status.requests, status.errors_5xx + status.unanswered)

    def at_least(self, other: _Reading) -> _Reading:
        return _Reading(
            self.started, max(self.requests, other.requests), max(self.failed, other.failed)
        )


@dataclass(slots=True)
class _Cell:
    """One host's traffic in a block of time."""

    new: Traffic = field(default_factory=Traffic)
    old: Traffic = field(default_factory=Traffic)


class _Test:
    """Evidence for "more failures than `times` the old release's and than `floor`"; the weaker of
    two, since a release is fine if either is not so."""

    def __init__(self, times: float, floor: float) -> None:
        self._times, self._floor = times, floor
        self._by_ratio, self._by_floor = Evidence(), Evidence()

    @property
    def value(self) -> float:
        return min(self._by_ratio.value, self._by_floor.value)

    def add(self, cells: Iterable[_Cell]) -> None:
        seen = by_ratio = by_floor = 0.0
        for cell in cells:
            new, old = cell.new, cell.old
            if not (new.requests and old.requests):
                continue
            weighted = self._times * new.requests
            seen += new.failed
            by_ratio += (new.failed + old.failed) * weighted / (weighted + old.requests)
            by_floor += self._floor * new.requests + weighted / old.requests * old.failed
        self._by_ratio.add(seen, by_ratio)
        self._by_floor.add(seen, by_floor)


class _Limit:
    """Evidence for "more failures than a fixed share", where there is nothing to compare with."""

    def __init__(self, limit: float, *, fewest_blocks: int = 0) -> None:
        self._limit, self._fewest = limit, fewest_blocks
        self._evidence, self._bad_blocks = Evidence(), 0

    @property
    def value(self) -> float:
        return self._evidence.value if self._bad_blocks >= self._fewest else 0.0

    def add(self, cells: Iterable[_Cell]) -> None:
        new = sum((cell.new for cell in cells), Traffic())
        self._bad_blocks += new.failed > 0
        self._evidence.add(new.failed, self._limit * new.requests)


class TrafficJudge:
    """Judges one deployment: all hosts and steps together, so that looking often costs nothing.

    Hosts report from threads of their own.

    Args:
        phases: how many kinds of watching there are (a canary, a bake); each gets its part of the
            false alarms that are allowed.
    """

    def __init__(self, limits: Analysis, *, phases: int = 1) -> None:
        self._limits = limits
        self._needed = phases / limits.false_alarms
        errors = limits.errors
        self._beside = (_Test(errors.times, errors.floor), _Test(errors.times, _BROKEN))
        self._alone = (
            _Limit(limits.limit, fewest_blocks=_FEWEST_BAD_BLOCKS),
            _Limit(_BROKEN, fewest_blocks=_FEWEST_BAD_BLOCKS),
        )
        self._share: float | None = None
        self._guard = threading.Lock()
        self._hosts: dict[str, _Cell] = {}
        self._block: dict[str, _Cell] = {}
        self._counts: list[int] = []
        self._milliseconds: dict[str, int] = {}
        self._began = self._block_began = self._last = 0.0
        self._said = False

    def begin(self, share: float, at: float) -> None:
        """Begin a step; hosts that begin the same one begin it once.

        Args:
            share: of the traffic that the new release gets; 1 when it is alone.
            at: monotonic seconds, as everywhere here.
        """
        with self._guard:
            if share == self._share:
                return
            self._share, self._said = share, False
            self._hosts, self._block, self._counts = {}, {}, []
            self._began = self._block_began = self._last = at

    def observe(self, host: str, at: float, new: Traffic, old: Traffic) -> Bad | None:
        """Learn what a host served since its last report."""
        with self._guard:
            for cells in (self._hosts, self._block):
                cell = cells.setdefault(host, _Cell())
                cell.new += new
                cell.old += old
            self._last, self._milliseconds[host] = at, new.milliseconds
            self._tests[1].add([_Cell(new, old)])
            if at - self._block_began >= self._block_seconds:
                self._close_block(at)
            return self._bad()

    def conclude(self, at: float) -> Verdict:
        """Judge the step as a whole, at its end; in a block that is not full yet, too."""
        with self._guard:
            self._last = at
            new, old = self._totals()
            if bad := self._bad():
                return bad
            if not new.requests:
                return self._nothing(old)
            return self._summary(new, old)

    def first(self) -> bool:
        """Tell whether nobody has told the verdict on this step yet."""
        with self._guard:
            self._said, said = True, self._said
            return not said

    @property
    def _is_alone(self) -> bool:
        return self._share == 1

    @property
    def _tests(self) -> tuple[_Test, _Test] | tuple[_Limit, _Limit]:
        return self._alone if self._is_alone else self._beside

    @property
    def _block_seconds(self) -> float:
        short = self._share is not None and self._share > _SMALL_SHARE and not self._is_alone
        return self._limits.burst_seconds * (_SHORTER if short else 1)

    def _close_block(self, at: float) -> None:
        self._tests[0].add(self._block.values())
        self._counts.append(sum(cell.new.failed for cell in self._block.values()))
        self._block, self._block_began = {}, at

    def _totals(self) -> tuple[Traffic, Traffic]:
        cells = self._hosts.values()
        return (
            sum((cell.new for cell in cells), Traffic()),
            sum((cell.old for cell in cells), Traffic()),
        )

    def _bad(self) -> Bad | None:
        slow, fast = (test.value for test in self._tests)
        new, old = self._totals()
        too_slow = self._too_slow(new)
        if too_slow:
            return Bad(text=too_slow)
        if _SLOW_WEIGHT * slow + (1 - _SLOW_WEIGHT) * fast < self._needed:
            return None
        errors, seconds = self._limits.errors, self._last - self._began
        worst = max(self._hosts, key=lambda host: self._hosts[host].new.share)
        if self._is_alone:
            against = f"{_percent(self._limits.limit)} is allowed"
        else:
            against = (
                f"{_percent(old.share)} of the old release's failed in the same time; "
                f"{errors.times:g} times as many and {_percent(errors.floor)} are allowed"
            )
        return Bad(
            text=f"{new.failed:,} of {new.requests:,} requests to the new release failed "
            f"({_percent(new.share)}) within {seconds:.0f} s: {against}. Chance of an accident: "
            f"under 1 in {1 / self._limits.false_alarms:.0f}{self._where(worst)}",
            binding=not errors.dry_run,
        )

    def _too_slow(self, new: Traffic) -> str:
        limit = self._limits.latency_seconds
        if limit is None or new.requests < _FEWEST_FOR_LATENCY:
            return ""
        slowest = max(self._milliseconds, key=lambda host: self._milliseconds[host])
        milliseconds = self._milliseconds[slowest]
        if milliseconds <= limit * 1000:
            return ""
        return (
            f"answers of the new release take {milliseconds} ms on average, over the limit of "
            f"{limit * 1000:g} ms{self._where(slowest)}"
        )

    def _where(self, host: str) -> str:
        return f"; worst on {host}" if len(self._hosts) > 1 else ""

    def _nothing(self, old: Traffic) -> Verdict:
        seconds, share = self._last - self._began, self._share or 0.0
        text = f"the new release got no request in {seconds:.0f} s"
        if self._is_alone or (1 - share) ** old.requests > _UNLIKELY:
            return CannotTell(text=f"{text}, and there was little traffic at all")
        return NoData(text=f"{text} (the old one: {old.requests:,}); do its route and weight work?")

    def _summary(self, new: Traffic, old: Traffic) -> Verdict:
        errors = self._limits.errors
        allowed = self._limits.limit if self._is_alone else errors.times * old.share
        notice = max(allowed, errors.notice)
        clusters = self._clustering(new)
        at_most = failing_at_most(new.failed / clusters, new.requests / clusters)
        counted = f"{new.failed:,} of {new.requests:,} requests to the new release failed"
        if at_most < notice:
            return Good(text=f"{counted}: at most {_percent(at_most)} do")
        if new.failed > 1 and new.share > max(allowed, errors.floor):
            return CannotTell(
                text=f"{counted} ({_percent(new.share)}), which may be an accident", suspicious=True
            )
        text = f"{counted}: too few to rule out that {_percent(notice)} do"
        needed, seconds = needed_without_failures(notice), self._last - self._began
        if not new.failed and needed > new.requests and seconds > 0:
            more = (needed - new.requests) * seconds / new.requests
            text += f"; about {needed} are needed, some {more:.0f} s more at this traffic"
        return CannotTell(text=text)

    def _clustering(self, new: Traffic) -> float:
        """Return how many failures come together, at least 1: that many count as one."""
        counts = [*self._counts, sum(cell.new.failed for cell in self._block.values())]
        if not new.failed:
            return 1.0
        squares = sum(count**2 for count in counts) / sum(counts)
        return max(1.0, squares - sum(counts) / len(counts))


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %" if share < 1 else "100 %"
