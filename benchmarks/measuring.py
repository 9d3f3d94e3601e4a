"""Shared by the benchmarks: alternating runs, ratios, tables, and files of samples."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "RESULTS",
    "Numbers",
    "in_turn",
    "load",
    "machine",
    "milliseconds",
    "ratios",
    "save",
    "seconds",
    "seconds_of",
    "spread",
    "table",
    "wait_until",
]

Numbers = dict[str, Any]
"""What a benchmark measured: the very samples, so that whatever is told of them can be redone."""

RESULTS = Path(__file__).with_name("results")
_DEADLINE_SECONDS = 30.0


def in_turn(acts: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Do each once per round, so that a busy machine is busy for all of them alike.

    Args:
        acts: each returns what it took, in seconds.
    """
    took: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, act in acts.items():
            took[name].append(round(act(), 4))
    return dict(took)


def seconds_of(argv: Sequence[str], **options: Any) -> float:
    """Run a command that has to succeed, silently, and return how long it took."""
    begun = time.perf_counter()
    done = subprocess.run(argv, check=False, capture_output=True, text=True, **options)
    took = time.perf_counter() - begun
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return took


def wait_until(
    condition: Callable[[], bool], what: str, *, pause: float = 0.01, limit: float = 0.0
) -> None:
    """Wait for a condition; a benchmark ends where it does not come."""
    deadline = time.monotonic() + (limit or _DEADLINE_SECONDS)
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not within the deadline")
        time.sleep(pause)


def ratios(these: Sequence[float], floor: Sequence[float]) -> list[float]:
    """Divide round by round: what ran side by side is compared, and nothing else."""
    return [one / other for one, other in zip(these, floor, strict=True)]


def spread(values: Sequence[float], shape: str = "{:.2f}") -> list[str]:
    """Write the least, the median and the most."""
    return [shape.format(pick(values)) for pick in (min, statistics.median, max)]


def seconds(values: Sequence[float]) -> str:
    """Write least, median and most in one cell."""
    return " / ".join(spread(values)) + " s"


def milliseconds(values: Sequence[float]) -> str:
    """Write least, median and most in one cell."""
    return " / ".join(spread([1000 * value for value in values], "{:.0f}")) + " ms"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Write a Markdown table; all columns but the first are numbers."""
    yield f"| {' | '.join(head)} |"
    yield "|---" + "|--:" * (len(head) - 1) + "|"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
    yield ""


def machine() -> dict[str, object]:
    """Say on what it was measured."""
    engine = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "docker": engine,
        "python": platform.python_version(),
    }


def load(name: str) -> Numbers:
    """Read what a benchmark measured last."""
    numbers: Numbers = json.loads((RESULTS / f"{name}.json").read_text())
    return numbers


def save(name: str, numbers: Numbers) -> None:
    """Keep what a benchmark measured."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(numbers, indent=1, sort_keys=True) + "\n")
