"""Repeats canaries by simulation: false alarms of equal releases, delay until a worse one is found.

Usage: python -m benchmarks.analysis [--rounds N] [--write]

A round is one deployment of each row: two minutes at 10 % and two at 50 %, a look a second, with the
code that judges real ones. A fixed threshold stands beside it: at each look and on each host, 20
requests or more, and 5 points more failures than the old release's. It fails when more than the
promised share of equal releases is rolled back, or a worse one is missed.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from benchmarks.chart import Bar, bars
from benchmarks.measuring import Numbers, table
from benchmarks.results import Benchmark
from deploy_action.checks.analysis import Traffic, TrafficJudge
from deploy_action.checks.evidence import failing_at_most
from deploy_action.config.model import Analysis

STEPS = ((0.1, 120), (0.5, 120))
POINTS, FEWEST = 0.05, 20
INCIDENT = range(60, 75)
"""Seconds in which, in some rows, 30 % of everybody's requests fail."""
PROMISED = Analysis().false_alarms


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Deployments alike.

    Attributes:
        rate: requests a second on each host.
        old, new: shares of failures; on differing hosts they are up to twice that.
    """

    name: str
    hosts: int = 1
    rate: int = 100
    old: float = 0.001
    new: float = 0.001
    incident: bool = False
    differing: bool = False


EQUAL = (
    Row(name="0.1 %, 1 host"),
    Row(name="0.1 %, 8 hosts", hosts=8),
    Row(name="1 %, 8 hosts", hosts=8, old=0.01, new=0.01),
    Row(name="1 %, 8 hosts, an incident", hosts=8, old=0.01, new=0.01, incident=True),
    Row(name="1 %, 8 hosts that differ", hosts=8, old=0.01, new=0.01, differing=True),
    Row(name="3 %, 8 hosts", hosts=8, old=0.03, new=0.03),
    Row(name="1.5 times as many: the margin", hosts=8, old=0.01, new=0.015),
)
WORSE = tuple(
    Row(
        name=f"+{points:g} points, {rate:,} requests/s", rate=rate, new=min(1, 0.001 + points / 100)
    )
    for points in (5, 20, 100)
    for rate in (10, 100, 1000)
)


class FixedThreshold:
    """What is found where each host is compared at each look, with counters since the step began."""

    def __init__(self) -> None:
        self._seen: dict[int, list[int]] = {}

    def begin(self) -> None:
        """Begin a step."""
        self._seen = {}

    def observe(self, host: int, new: Traffic, old: Traffic) -> bool:
        """Tell whether it rolls back."""
        seen = self._seen.setdefault(host, [0, 0, 0, 0])
        for index, more in enumerate((new.requests, new.failed, old.requests, old.failed)):
            seen[index] += more
        requests, failed, others, theirs = seen
        usual = theirs / others if others else 0.0
        return requests >= FEWEST and failed / requests - usual > POINTS


def deploy(row: Row, chance: random.Random) -> tuple[float | None, float | None]:
    """Return after how many seconds each of the two rolls back, None where it does not."""
    judge, fixed = TrafficJudge(Analysis()), FixedThreshold()
    factors = [chance.uniform(0, 2) if row.differing else 1.0 for _ in range(row.hosts)]
    ours = theirs = None
    begins = 0
    for share, seconds in STEPS:
        judge.begin(share, begins)
        fixed.begin()
        for at in range(begins + 1, begins + seconds + 1):
            more = 0.3 if row.incident and at in INCIDENT else 0.0
            for host, factor in enumerate(factors):
                new = _served(chance, row.rate * share, row.new * factor + more)
                old = _served(chance, row.rate * (1 - share), row.old * factor + more)
                if ours is None and judge.observe(str(host), at, new, old):
                    ours = float(at)
                if theirs is None and fixed.observe(host, new, old):
                    theirs = float(at)
            if ours is not None and theirs is not None:
                return ours, theirs
        begins += seconds
    return ours, theirs


def _served(chance: random.Random, mean: float, failing: float) -> Traffic:
    requests = _poisson(chance, mean)
    if requests * failing > 20 or failing >= 1:
        failed = round(
            chance.gauss(requests * failing, math.sqrt(requests * failing * max(0, 1 - failing)))
        )
        return Traffic(requests=requests, failed=min(requests, max(0, failed)))
    return Traffic(requests=requests, failed=min(requests, _poisson(chance, requests * failing)))


def _poisson(chance: random.Random, mean: float) -> int:
    if mean > 50:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, chance.random()
    while product > limit:
        count += 1
        product *= chance.random()
    return count


def measure(rounds: int) -> Numbers:
    """Repeat each row `rounds` times; a worse release a fifth as often."""
    numbers: Numbers = {"deployments": rounds, "equal": {}, "worse": {}}
    for kind, rows, times in (("equal", EQUAL, rounds), ("worse", WORSE, max(10, rounds // 5))):
        for row in rows:
            chance = random.Random(row.name)
            ends = [deploy(row, chance) for _ in range(times)]
            numbers[kind][row.name] = {
                "ours": [ours for ours, _ in ends if ours is not None],
                "fixed": [theirs for _, theirs in ends if theirs is not None],
                "of": times,
            }
    return numbers


def section(numbers: Numbers) -> Iterator[str]:
    """Say what was simulated, with a table of each kind."""
    yield (
        f"{numbers['deployments']} simulated deployments a row, two minutes at 10 % and two at 50 %, 100 requests a second "
        "on each host. Beside it a fixed threshold: 5 points more failures than the old release's, of 20 requests or "
        "more, at each look and on each host. At most 1 % of equal releases may be rolled back; the last column is what "
        "the count rules out with 95 %."
    )
    yield ""
    rows = []
    for name, seen in _in_order(numbers["equal"], EQUAL):
        ours, fixed, of = len(seen["ours"]), len(seen["fixed"]), seen["of"]
        bound = f"{failing_at_most(ours, of):.1%}"
        rows.append([name, f"**{ours / of:.1%}**", f"{fixed / of:.0%}", bound])
    yield from table(
        ["equal releases: share of failures", "rolled back", "fixed threshold", "ours at most"],
        rows,
    )
    rows = []
    for name, seen in _in_order(numbers["worse"], WORSE):
        found = [
            f"{median(seen[who]):.0f} s"
            if len(seen[who]) == seen["of"]
            else f"{len(seen[who])} of {seen['of']}"
            for who in ("ours", "fixed")
        ]
        rows.append([name, f"**{found[0]}**", found[1]])
    yield from table(["worse by", "found after, median", "fixed threshold"], rows)
    yield "![rolled back though equal](results/analysis.svg)"
    yield ""


def _in_order(seen: Numbers, rows: tuple[Row, ...]) -> list[tuple[str, Numbers]]:
    return [(row.name, seen[row.name]) for row in rows]


def good(numbers: Numbers) -> bool:
    """Return whether the promise is kept and every release that is worse by 5 points or more at 100
    requests a second is found."""
    kept = all(
        len(seen["ours"]) <= PROMISED * seen["of"] + 2 * math.sqrt(PROMISED * seen["of"])
        for seen in numbers["equal"].values()
    )
    found = all(
        len(seen["ours"]) == seen["of"]
        for name, seen in numbers["worse"].items()
        if not name.endswith(" 10 requests/s")
    )
    return kept and found


def pictures(numbers: Numbers) -> dict[str, str]:
    """Draw the share of equal releases that each rolls back."""
    rows = []
    for name, seen in _in_order(numbers["equal"], EQUAL):
        for who, ours in (("ours", True), ("fixed", False)):
            share = 100 * len(seen[who]) / seen["of"]
            title = f"{name}: {'analysis' if ours else 'fixed threshold'}"
            rows.append(Bar(name=title, values=[share], limit=1.0 if ours else None, ours=ours))
    return {
        "analysis.svg": bars("Equal releases that are rolled back, in %", rows, shape="{:.1f} %")
    }


BENCHMARK = Benchmark(
    name="analysis",
    title="Analysis of a canary",
    measure=measure,
    section=section,
    good=good,
    rounds=200,
    pictures=pictures,
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
