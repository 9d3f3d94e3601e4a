"""Compares the bandit gate with `bandit -r` on the standard library's source: time and findings.

Usage: python -m benchmarks.bandit_gate [--rounds N] [--write]

Both scan the same copy, one right after the other, so the ratio holds on a busy machine too.
It fails when the findings differ or when the gate is slower.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measuring import Numbers, in_turn, ratios, seconds, table
from benchmarks.results import Benchmark
from deploy_action.gates.bandit_scan import Checks, Scan, scan_files
from deploy_action.gates.python_files import select

Key = tuple[Any, ...]


def measure(rounds: int) -> Numbers:
    """Scan a copy of the standard library with both."""
    with tempfile.TemporaryDirectory(prefix="bandit-gate-") as directory:
        root = Path(directory)
        copy_sources(Path(sysconfig.get_path("stdlib")), root / "lib")
        return compare(root, ["lib"], rounds)


def copy_sources(source: Path, target: Path) -> None:
    """Copy the Python files alone: no compiled files, no installed packages."""

    def uninteresting(directory: str, names: list[str]) -> list[str]:
        return [
            name
            for name in names
            if name in {"site-packages", "dist-packages", "__pycache__"}
            or not (name.endswith(".py") or Path(directory, name).is_dir())
        ]

    shutil.copytree(source, target, ignore=uninteresting)


def compare(root: Path, paths: list[str], rounds: int) -> Numbers:
    """Run both in turn, `rounds` times."""
    files = select(root, paths, ()).files
    numbers: Numbers = {"same findings": True}
    scans: list[Scan] = []

    def gate() -> float:
        started = time.perf_counter()
        selected = select(root, paths, ()).files
        scans.append(scan_files(root, selected, Checks(), timeout_seconds=3600))
        return time.perf_counter() - started

    def bandit() -> float:
        started = time.perf_counter()
        theirs = run_bandit(root, paths)
        took = time.perf_counter() - started
        ours = scans[-1]
        numbers["findings"], numbers["errors"] = len(theirs["results"]), len(theirs["errors"])
        numbers["same findings"] &= Counter(map(key, ours.findings)) == Counter(
            map(key, theirs["results"])
        )
        unchecked = {problem.file for problem in ours.unchecked}
        numbers["same findings"] &= unchecked == {
            os.path.normpath(error["filename"]) for error in theirs["errors"]
        }
        return took

    took = in_turn({"gate": gate, "bandit": bandit}, rounds)
    size = round(sum(file.size_bytes for file in files) / 1e6, 1)
    return numbers | {"files": len(files), "megabytes": size, "rounds": rounds, "seconds": took}


def run_bandit(root: Path, paths: list[str]) -> dict[str, Any]:
    """Run the original and return its report."""
    command = [sys.executable, "-m", "bandit", "-q", "-f", "json", "-r", *paths]
    done = subprocess.run(command, cwd=root, capture_output=True, check=False)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def key(finding: dict[str, Any]) -> Key:
    """Identify a finding by everything but its code and the spelling of its path."""
    ignored = {"filename", "code", "line_text"}
    rest = {name: value for name, value in finding.items() if name not in ignored}
    return (os.path.normpath(finding["filename"]), json.dumps(rest, sort_keys=True))


def section(numbers: Numbers) -> Iterator[str]:
    """Render the numbers as Markdown."""
    took = numbers["seconds"]
    verdict = "the same findings" if numbers["same findings"] else "**other findings**"
    yield (
        f"Python's standard library: {numbers['files']:,} files, {numbers['megabytes']} MB, "
        f"{numbers['findings']:,} findings, {numbers['errors']} files that do not parse; {verdict}."
    )
    yield ""
    relative = ratios(took["gate"], took["bandit"])
    yield from table(
        ["", "min / median / max", "× `bandit -r`"],
        [
            ["`bandit -r`", seconds(took["bandit"]), "1"],
            ["the gate", seconds(took["gate"]), f"**{median(relative):.2f}**"],
        ],
    )


def good(numbers: Numbers) -> bool:
    """Return whether the gate has the same findings in less time."""
    took = numbers["seconds"]
    return bool(numbers["same findings"]) and median(ratios(took["gate"], took["bandit"])) < 1


BENCHMARK = Benchmark(
    name="bandit_gate",
    title="The bandit gate",
    measure=measure,
    section=section,
    good=good,
    rounds=1,
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
