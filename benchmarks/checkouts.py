"""How long a whole deployment takes beside another checkout of this project, in turn, in one run.

    .venv/bin/python -m benchmarks.checkouts /path/to/another/checkout --rounds 8

Both commands deploy the demo's shop to the local engine, each through an edge of its own. The other
checkout needs the images of its own edge: its first deployment builds or loads them, uncounted. Keys
that a checkout does not know are left out of its deploy.yaml. Both run from compiled modules, as an
installed package does.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import yaml
from tests.support.sandbox import SHOP, docker, free_port

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """One checkout with an edge of its own."""

    name: str
    root: Path
    directory: Path
    edge: str

    def run(self, *argv: str) -> float:
        """Run a command to its end and return the seconds that it took."""
        environ = {**os.environ, "PYTHONPATH": str(self.root / "src")}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        command = (sys.executable, "-m", "deploy_action", *argv, "-e", "production")
        begun = time.monotonic()
        done = subprocess.run(
            command, cwd=self.directory, env=environ, check=False, capture_output=True, text=True
        )
        seconds = time.monotonic() - begun
        if done.returncode != 0:
            raise SystemExit(f"{self.name}: {done.stdout}{done.stderr}")
        return seconds


def main() -> None:
    """Measure, and print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        both = [
            _checkout("this", ROOT, Path(name)),
            _checkout("other", options.checkout.resolve(), Path(name)),
        ]
        try:
            _measure(both, options.rounds)
        finally:
            for each in both:
                _remove(each.edge)


def _checkout(name: str, root: Path, parent: Path) -> Checkout:
    directory, edge = parent / name, f"bench-{uuid4().hex[:8]}"
    directory.mkdir()
    known = json.loads((root / "schemas" / "deploy.schema.json").read_text("utf-8"))["properties"]
    shop = {key: value for key, value in SHOP.items() if key in known}
    config = {**shop, "edge": {"name": edge}, "route": {"port": free_port()}}
    (directory / "deploy.yaml").write_text(yaml.safe_dump(config))
    return Checkout(name=name, root=root, directory=directory, edge=edge)


def _measure(both: list[Checkout], rounds: int) -> None:
    seconds: dict[tuple[str, str], list[float]] = {}
    for each in both:
        each.run("deploy", "--version", "1.0.0")
    for number in range(rounds):
        version = ("2.0.0", "1.0.0")[number % 2]
        for each in both if number % 2 else reversed(both):
            for act, argv in (
                ("deploy", ("deploy", "--version", version)),
                ("deploy again", ("deploy", "--version", version)),
                ("rollback", ("rollback",)),
                ("status", ("status",)),
            ):
                seconds.setdefault((act, each.name), []).append(each.run(*argv))
            # The next round deploys the other version again.
            each.run("deploy", "--version", version)
    for act in ("deploy", "deploy again", "rollback", "status"):
        this, other = (statistics.median(seconds[act, each.name]) for each in both)
        print(f"{act:14} this {this:.2f} s, other {other:.2f} s: {this / other:.2f} ×")


def _remove(edge: str) -> None:
    label = f"label=deploy-action.edge={edge}"
    ids = docker("ps", "-aq", "--filter", label).split()
    if ids:
        docker("rm", "-fv", *ids)
    for network in docker("network", "ls", "-q", "--filter", label).split():
        docker("network", "rm", network)
    if edge in docker("volume", "ls", "--format", "{{.Name}}").split():
        docker("volume", "rm", edge)


if __name__ == "__main__":
    main()
