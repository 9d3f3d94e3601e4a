"""Compares the bandit gate with `bandit -r` on the standard library's source: time and findings.

Usage: python benchmarks/bandit_gate.py [--paths asyncio email …] [--rounds N] [--output FILE]

Both scan the same copy, one right after the other, so the ratio holds on a busy machine too.
It fails when the findings differ or when the gate is slower.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from deploy_action.gates.bandit_pool import Checks, FileScan, cores, scan_files
from deploy_action.gates.python_files import select

Key = tuple[Any, ...]


def main() -> int:
    """Measure, print a table, write the numbers, and say by exit code whether the gate wins."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paths", nargs="+", default=["."], help="below the standard library")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bandit-gate-") as directory:
        root = Path(directory)
        copy_sources(Path(sysconfig.get_path("stdlib")), root / "lib")
        paths = [os.path.normpath(f"lib/{path}") for path in arguments.paths]
        report = compare(root, paths, arguments.rounds)
    text = json.dumps(report, indent=2)
    if arguments.output:
        arguments.output.write_text(text + "\n")
    print(text)
    return 0 if report["same findings"] and report["ratio"] < 1 else 1


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


def compare(root: Path, paths: list[str], rounds: int) -> dict[str, Any]:
    """Run both, `rounds` times in turn, and keep the best time of each."""
    files = select(root, paths, ()).files
    gate_seconds, bandit_seconds = [], []
    same = True
    findings = errors = 0
    for _ in range(rounds):
        started = time.perf_counter()
        scans = scan_files(root, select(root, paths, ()).files, Checks(), timeout_seconds=3600)
        gate_seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
        theirs = run_bandit(root, paths)
        bandit_seconds.append(time.perf_counter() - started)
        same = same and ours_as_keys(scans) == Counter(map(key, theirs["results"]))
        findings = len(theirs["results"])
        errors = len(theirs["errors"])
        same = same and sum(bool(scan.errors) for scan in scans) == errors
    return {
        "files": len(files),
        "megabytes": round(sum(file.size_bytes for file in files) / 1e6, 1),
        "findings": findings,
        "files that do not parse": errors,
        "same findings": same,
        "cores": cores(),
        "python": sys.version.split()[0],
        "gate seconds": round(min(gate_seconds), 2),
        "bandit -r seconds": round(min(bandit_seconds), 2),
        "ratio": round(min(gate_seconds) / min(bandit_seconds), 3),
    }


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


if __name__ == "__main__":
    sys.exit(main())
