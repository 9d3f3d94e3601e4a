"""Judge a release by its real traffic, from the edge's own counters: pure, asks nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deploy_action.config.model import Analysis
from deploy_action.platforms.docker.edge.state import ServerStatus

__all__ = ["Bad", "Fine", "Inconclusive", "Traffic", "Verdict", "judge", "traffic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What some servers did between two looks. `milliseconds` is the mean of the slowest one's
    last 1,024 answers (HAProxy's rtime)."""

    requests: int
    failed: int
    milliseconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fine:
    """Enough requests, and within the limits."""

    traffic: Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Inconclusive:
    """Too few requests to say anything; never the same as fine."""

    traffic: Traffic
    needed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """Over a limit; `why` says which, with both numbers."""

    traffic: Traffic
    why: str


Verdict = Fine | Inconclusive | Bad


def traffic(
    before: Mapping[str, ServerStatus], after: Mapping[str, ServerStatus], names: Iterable[str]
) -> Traffic:
    """Count what the named servers did since `before`.

    A reload of the edge starts its counters again; a counter that fell is taken from zero.
    """
    requests = failed = milliseconds = 0
    for name in names:
        now = after.get(name)
        if now is None:
            continue
        then = before.get(name)
        known = then is not None and then.requests <= now.requests
        requests += now.requests - (then.requests if known and then else 0)
        failed += _failed(now) - (_failed(then) if known and then else 0)
        milliseconds = max(milliseconds, now.response_milliseconds)
    return Traffic(requests=requests, failed=max(0, failed), milliseconds=milliseconds)


def judge(new: Traffic, old: Traffic, limits: Analysis) -> Verdict:
    """Hold the new release's traffic against the limits and against the old release's.

    A failure rate that the old release has too is not the new one's fault: the limit is how much
    worse it may be.
    """
    if new.requests < limits.requests:
        return Inconclusive(traffic=new, needed=limits.requests)
    rate = new.failed / new.requests
    usual = old.failed / old.requests if old.requests else 0.0
    if rate - usual > limits.errors:
        return Bad(
            traffic=new,
            why=f"{new.failed} of {new.requests} requests failed ({rate:.1%}; the release before: "
            f"{usual:.1%}; allowed: {limits.errors:.1%} more)",
        )
    if limits.latency_seconds is not None and new.milliseconds > limits.latency_seconds * 1000:
        return Bad(
            traffic=new,
            why=f"answers take {new.milliseconds} ms on average, over the limit of "
            f"{limits.latency_seconds * 1000:g} ms",
        )
    return Fine(traffic=new)


def _failed(status: ServerStatus) -> int:
    return status.errors_5xx + status.connection_errors
