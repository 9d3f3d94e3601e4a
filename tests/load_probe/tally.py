"""The counting itself: fixed memory however long the load runs, readable from other threads."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable

from tests.load_probe.result import (
    Ending,
    Example,
    Kind,
    KindCount,
    Latency,
    Loss,
    ProbeResult,
    Seen,
)

__all__ = ["Tally"]

_FINEST_SECONDS = 1e-5
_GROWTH = 1.05
_BUCKETS = 400
_EXAMPLES = 50
_VERSIONS = 100


class Tally:
    """Written by the load's thread, read by any."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._changed = threading.Condition()
        self._started = time.monotonic()
        self._ended: float | None = None
        self._ended_by: Ending = "running"
        self._sent: Counter[Kind] = Counter()
        self._ok: Counter[Kind] = Counter()
        self._lost: Counter[Kind] = Counter()
        self._losses: Counter[Loss] = Counter()
        self._unfinished = 0
        self._reopened = 0
        self._buckets = [0] * _BUCKETS
        self._maximum = 0.0
        self._versions: dict[str, Seen] = {}
        self._examples: list[Example] = []

    def begin(self, kind: Kind) -> None:
        """Count a request that is about to be sent."""
        with self._changed:
            self._sent[kind] += 1

    def succeed(self, kind: Kind, seconds: float, version: str) -> None:
        """Count a good answer; an empty version is not one."""
        bucket = math.ceil(math.log(max(seconds, _FINEST_SECONDS) / _FINEST_SECONDS, _GROWTH))
        with self._changed:
            self._ok[kind] += 1
            self._buckets[min(bucket, _BUCKETS - 1)] += 1
            self._maximum = max(self._maximum, seconds)
            if version:
                self._see(version)
            self._changed.notify_all()

    def _see(self, version: str) -> None:
        now = time.monotonic() - self._started
        before = self._versions.get(version)
        if before is None and len(self._versions) >= _VERSIONS:
            return
        self._versions[version] = Seen(
            version=version,
            answers=1 if before is None else before.answers + 1,
            first_seconds=now if before is None else before.first_seconds,
            last_seconds=now,
        )

    def lose(self, kind: Kind, loss: Loss, detail: str) -> None:
        """Count a loss and keep the first ones as examples."""
        with self._changed:
            self._lost[kind] += 1
            self._losses[loss] += 1
            if len(self._examples) < _EXAMPLES:
                seconds = time.monotonic() - self._started
                self._examples.append(
                    Example(seconds=seconds, kind=kind, loss=loss, detail=detail[:200])
                )
            self._changed.notify_all()

    def abandon(self) -> None:
        """Count a request that the probe itself gave up."""
        with self._changed:
            self._unfinished += 1

    def reopen(self) -> None:
        """Count a connection that was found closed while idle."""
        with self._changed:
            self._reopened += 1

    def end(self, ended_by: Ending) -> None:
        """Stop the watch; nothing is counted after this."""
        with self._changed:
            self._ended = time.monotonic()
            self._ended_by = ended_by
            self._changed.notify_all()

    def snapshot(self) -> ProbeResult:
        """Return the counts as they stand."""
        with self._changed:
            return self._snapshot()

    def wait(self, condition: Callable[[ProbeResult], bool], timeout_seconds: float) -> ProbeResult:
        """Wait until the counts fulfil a condition.

        Raises:
            TimeoutError: they did not in time, or the load ended before.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while True:
                now = self._snapshot()
                if condition(now):
                    return now
                remaining = deadline - time.monotonic()
                if remaining <= 0 or now.ended_by != "running":
                    raise TimeoutError(f"{self._url}: not seen in {timeout_seconds:g} s: {now}")
                self._changed.wait(remaining)

    def _snapshot(self) -> ProbeResult:
        kinds = {
            kind: KindCount(sent=sent, ok=self._ok[kind], lost=self._lost[kind])
            for kind, sent in self._sent.items()
        }
        return ProbeResult(
            url=self._url,
            seconds=(self._ended or time.monotonic()) - self._started,
            sent=self._sent.total(),
            ok=self._ok.total(),
            losses=dict(self._losses),
            unfinished=self._unfinished,
            reopened=self._reopened,
            kinds=kinds,
            latency=self._latency(),
            versions=tuple(sorted(self._versions.values(), key=lambda seen: seen.first_seconds)),
            examples=tuple(self._examples),
            ended_by=self._ended_by,
        )

    def _latency(self) -> Latency:
        return Latency(
            median=self._percentile(0.5),
            p90=self._percentile(0.9),
            p99=self._percentile(0.99),
            p999=self._percentile(0.999),
            maximum=self._maximum,
        )

    def _percentile(self, share: float) -> float:
        rank = math.ceil(share * self._ok.total())
        seen = 0
        for bucket, count in enumerate(self._buckets):
            seen += count
            if count and seen >= rank:
                return min(_FINEST_SECONDS * _GROWTH**bucket, self._maximum)
        return 0.0
