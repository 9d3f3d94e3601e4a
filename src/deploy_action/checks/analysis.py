"""Judges a release by its real traffic, from the edge's counters; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from deploy_action.config.model import Analysis

__all__ = [
    "Bad",
    "Fine",
    "Inconclusive",
    "ServerCounters",
    "Traffic",
    "Verdict",
    "judge",
    "traffic",
]


class ServerCounters(Protocol):
    """What an edge counts of a server."""

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

    requests: int
    failed: int
    milliseconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fine:
    """There were enough requests, and they are within the limits."""

    traffic: Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Inconclusive:
    """There were too few requests for a verdict; never the same as fine."""

    traffic: Traffic
    needed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A limit is exceeded; `why` says which, with both numbers."""

    traffic: Traffic
    why: str


Verdict = Fine | Inconclusive | Bad


def traffic(
    before: Mapping[str, ServerCounters], after: Mapping[str, ServerCounters], names: Iterable[str]
) -> Traffic:
    """Count what the named servers served since `before`.

    A reload of the edge resets its counters, so a counter that fell counts from zero.
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
    """Compare the new release's traffic with the limits and with the old release's.

    The limit on errors is how much higher the failure rate may be than the old release's.
    """
    if new.requests < limits.requests:
        return Inconclusive(traffic=new, needed=limits.requests)
    rate = new.failed / new.requests
    usual = old.failed / old.requests if old.requests else 0.0
    if rate - usual > limits.errors:
        return Bad(
            traffic=new,
            why=f"{new.failed} of {new.requests} requests failed ({rate:.1%}; the previous release: "
            f"{usual:.1%}; allowed: {limits.errors:.1%} more)",
        )
    if limits.latency_seconds is not None and new.milliseconds > limits.latency_seconds * 1000:
        return Bad(
            traffic=new,
            why=f"answers take {new.milliseconds} ms on average, over the limit of "
            f"{limits.latency_seconds * 1000:g} ms",
        )
    return Fine(traffic=new)


def _failed(status: ServerCounters) -> int:
    return status.errors_5xx + status.unanswered
