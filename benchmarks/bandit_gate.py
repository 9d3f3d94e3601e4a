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
from deploy_action.gates.bandit_pool import Checks, FileScan, scan_files
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
    """Run both, `rounds` times in turn."""
    files = select(root, paths, ()).files
    found: Numbers = {"same findings": True}

    def gate() -> float:
        started = time.perf_counter()
        found["scans"] = scan_files(
            root, select(root, paths, ()).files, Checks(), timeout_seconds=3600
        )
        return time.perf_counter() - started

    def bandit() -> float:
        started = time.perf_counter()
        theirs = run_bandit(root, paths)
        took = time.perf_counter() - started
        scans = found["scans"]
        found["findings"], found["errors"] = len(theirs["results"]), len(theirs["errors"])
        found["same findings"] &= ours_as_keys(scans) == Counter(map(key, theirs["results"]))
        found["same findings"] &= sum(bool(s.errors) for s in scans) == len(theirs["errors"])
        return took

    took = in_turn({"gate": gate, "bandit": bandit}, rounds)
    del found["scans"]
    size = round(sum(file.size_bytes for file in files) / 1e6, 1)
    return found | {"files": len(files), "megabytes": size, "rounds": rounds, "seconds": took}


def run_bandit(root: Path, paths: list[str]) -> dict[str, Any]:
    """Run the original and return its report."""
    command = [sys.executable, "-m", "bandit", "-q", "-f", "json", "-r", *paths]
    done = subprocess.run(command, cwd=root, capture_output=True, check=False)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def ours_as_keys(scans: tuple[FileScan, ...]) -> Counter[Key]:
    """Count our findings by everything that bandit says of them."""
    return Counter(key(finding) for scan in scans for finding in scan.findings)


def key(finding: dict[str, Any]) -> Key:
    """Take all of a finding but its code and the spelling of its path."""
    ignored = {"filename", "code", "help_uri", "line_hash", "more_info"}
    rest = {name: value for name, value in finding.items() if name not in ignored}
    return (os.path.normpath(finding["filename"]), json.dumps(rest, sort_keys=True))


def section(numbers: Numbers) -> Iterator[str]:
    """Tell it as Markdown."""
    took = numbers["seconds"]
    verdict = "the same findings" if numbers["same findings"] else "**other findings**"
    yield (
        f"Python's standard library: {numbers['files']:,} files, {numbers['megabytes']} MB, "
        f"{numbers['findings']:,} findings, {numbers['errors']} files that do not parse; {verdict}."
    )
    yield ""
    found = ratios(took["gate"], took["bandit"])
    yield from table(
        ["", "min / median / max", "× `bandit -r`"],
        [
            ["`bandit -r`", seconds(took["bandit"]), "1"],
            ["the gate", seconds(took["gate"]), f"**{median(found):.2f}**"],
        ],
    )


def good(numbers: Numbers) -> bool:
    """Tell whether the gate finds the same and is quicker."""
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
