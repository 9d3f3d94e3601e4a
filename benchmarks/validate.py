"""Compares `deploy-action validate` with the bare import of what it needs; the budget is 3 times.

Usage: python benchmarks/validate.py [--rounds N] [--output FILE]

Both are started in turn, so the ratio holds on a busy machine too. It fails over budget.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUDGET = 3.0
FLOOR = [sys.executable, "-c", "import yaml, jsonschema"]


def main() -> int:
    """Measure, print the numbers, and say by exit code whether the budget is kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    report = {
        name: _compare(ROOT / file, arguments.rounds)
        for name, file in {
            "five lines": "examples/minimal.yaml",
            "two environments": "examples/staging-production.yaml",
            "every key": "tests/corpus/valid/everything.yaml",
        }.items()
    }
    text = json.dumps({"budget": BUDGET, "python": sys.version.split()[0], **report}, indent=2)
    if arguments.output:
        arguments.output.write_text(text + "\n")
    print(text)
    return 0 if all(row["ratio"] <= BUDGET for row in report.values()) else 1


def _compare(file: Path, rounds: int) -> dict[str, float]:
    command = [sys.executable, "-m", "deploy_action", "validate", "--config", str(file)]
    floors, times = [], []
    for _ in range(rounds):
        floors.append(_seconds(FLOOR))
        times.append(_seconds(command))
    # The minimum is what the work costs; everything above it is the machine's other work.
    floor, best = min(floors), min(times)
    return {
        "imports, ms": round(floor * 1000, 1),
        "validate, ms": round(best * 1000, 1),
        "ratio": round(best / floor, 2),
        "median ratio": round(statistics.median(times) / statistics.median(floors), 2),
    }


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
