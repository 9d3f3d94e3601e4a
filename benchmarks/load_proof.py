"""Counts what clients lose while a service is deployed, fails, goes back and its edge reloads.

Usage: python benchmarks/load_proof.py [--full] [--deployments N] [--failed N] [--rollbacks N]
                                       [--reloads N] [--write]

72 clients at one time: on kept, idle and new connections, with POST bodies, 5 s answers, streams,
8 s long polls and websockets. The application ends at once when it is told to stop, so whatever
was not drained before is lost. Every refused connection, reset, short or wrong body and non-2xx
counts, and every websocket that is cut before its time. It fails when anything was lost.

The short run takes a minute and a half; --full is 50 deployments, 10 failed ones, 10 rollbacks and 10
reloads. --write keeps the numbers in RESULTS.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.support.sandbox import Finished, Sandbox, free_port, sandbox  # noqa: E402
from tests.support.traffic import FULL, Total, Traffic  # noqa: E402

from deploy_action.checks.probe import upper_bound  # noqa: E402

RESULTS = Path(__file__).with_name("RESULTS.md")
BEGIN, END = "<!-- load_proof -->", "<!-- /load_proof -->"
ACTS = ("deployment", "failed", "rollback", "reload")
SHORT = dict(zip(ACTS, (5, 1, 1, 1), strict=True))
FULL_COUNTS = dict(zip(ACTS, (50, 10, 10, 10), strict=True))


@dataclass(slots=True, kw_only=True)
class Proof:
    """One run: a service, its neighbour on the same edge, and what everything took."""

    box: Sandbox
    neighbour: Sandbox
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    made: int = 0

    def perform(self, act: str) -> None:
        """Do one thing and take its time; stop the run where it does not end as it should."""
        self.made += 1
        begun = time.monotonic()
        done, wanted = self._act(act)
        self.seconds[act].append(time.monotonic() - begun)
        if done.exit_code != wanted:
            raise SystemExit(f"{act} ended with {done.exit_code}, not {wanted}:\n{done.text}")

    def _act(self, act: str) -> tuple[Finished, int]:
        match act:
            case "deployment":
                # Every one is a release of its own, so that none is a kept container again.
                self.box.configure(env={"DIE_ON_SIGTERM": "1", "NUMBER": str(self.made)})
                return self.box.deploy(("1.0.0", "2.0.0")[self.made % 2]), 0
            case "failed":
                return self.box.deploy("3.0.0-broken"), 4
            case "rollback":
                return self.box.run("rollback"), 0
            case _:
                # Another route is a change that only a reload can make.
                route = {"port": self.neighbour.port, "host": f"n{self.made}.example.com"}
                self.neighbour.configure(environments={"production": {"route": route}})
                return self.neighbour.deploy("1.0.0"), 0


def main() -> int:
    """Run it, print the table, and say by exit code whether anything was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--write", action="store_true")
    for act in ACTS:
        name = act if act == "failed" else f"{act}s"
        parser.add_argument(f"--{name}", dest=act, type=int)
    options = vars(parser.parse_args())
    counts = dict(FULL_COUNTS if options["full"] else SHORT)
    counts |= {act: options[act] for act in ACTS if options[act] is not None}
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as box:
        proof = _prepare(box)
        before = _reloads(box)
        begun = time.monotonic()
        with Traffic(box.url, FULL) as traffic:
            for act in _order(counts):
                proof.perform(act)
                total = traffic.total()
                lost = f"{total.all_lost} lost of {total.all_sent}"
                print(f"{act:12} {proof.seconds[act][-1]:5.1f} s   {lost}", file=sys.stderr)
        text = "\n".join(
            _report(proof, traffic.total(), time.monotonic() - begun, _reloads(box) - before)
        )
    print(text)
    if options["write"]:
        _write(text)
    return 1 if traffic.total().all_lost else 0


def _prepare(box: Sandbox) -> Proof:
    box.configure(env={"DIE_ON_SIGTERM": "1"}, stop={"timeout": "1s", "drain": "15s"})
    folder = box.directory / "neighbour"
    folder.mkdir()
    neighbour = Sandbox(directory=folder, edge=box.edge, port=free_port(), config=dict(box.config))
    neighbour.configure(
        service="neighbour", environments={"production": {"route": {"port": neighbour.port}}}
    )
    for each in (box, neighbour):
        done = each.deploy("1.0.0")
        if done.exit_code != 0:
            raise SystemExit(done.text)
    return Proof(box=box, neighbour=neighbour)


def _order(counts: dict[str, int]) -> Iterator[str]:
    """Spread the others evenly between the deployments; the first is a deployment."""
    spread = [
        ((index + 0.9) / count, act)
        for act, count in counts.items()
        for index in range(count)
        if act != "deployment"
    ]
    number = counts["deployment"]
    spread += [(index / number, "deployment") for index in range(number)]
    return (act for _, act in sorted(spread))


def _reloads(box: Sandbox) -> int:
    """Ask the edge's master how often it has loaded its configuration."""
    ask = "echo show proc | socat -t 10 - UNIX-CONNECT:/state/run/master.sock"
    shown = box.docker("exec", box.edge, "sh", "-c", ask)
    found = re.search(r"^\d+\s+master\s+(\d+)", shown, re.MULTILINE)
    if found is None:
        raise SystemExit(f"the edge's master does not say how often it reloaded:\n{shown}")
    return int(found[1])


def _report(proof: Proof, total: Total, seconds: float, reloads: int) -> Iterator[str]:
    bound = upper_bound(total.all_sent, total.all_lost)
    yield (
        f"{FULL.clients} clients for {seconds:.0f} s: **{total.all_sent:,} requests, streams and "
        f"websockets, {total.all_lost:,} lost** (at most {bound:.4%} at 95 % confidence); "
        f"the edge reloaded {reloads} times."
    )
    yield ""
    yield "| clients | sent | lost |"
    yield "|---|--:|--:|"
    for kind, sent in total.sent.items():
        yield f"| {kind} | {sent:,} | {total.lost[kind]:,} |"
    yield ""
    yield "| | times | min | median | max |"
    yield "|---|--:|--:|--:|--:|"
    for act, took in proof.seconds.items():
        least, middle, most = min(took), statistics.median(took), max(took)
        yield f"| {act} | {len(took)} | {least:.1f} s | {middle:.1f} s | {most:.1f} s |"
    yield ""
    yield (
        "The times are those of the whole command, under this load, with the draining of the 8 s "
        f"polls and websockets in it. {_machine()}"
    )
    for example in total.examples[:20]:
        yield f"- {example}"


def _machine() -> str:
    engine = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    return (
        f"Measured on {os.cpu_count()} cores of {platform.machine()}, Linux {platform.release()}, "
        f"Docker {engine}, Python {platform.python_version()}; clients, edge and application "
        "share them."
    )


def _write(text: str) -> None:
    section = f"{BEGIN}\n## Load proof\n\n`{' '.join(sys.argv)}`\n\n{text}\n{END}\n"
    old = RESULTS.read_text() if RESULTS.exists() else "# Results of `make bench`\n\n"
    start, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(f"{END}\n")
    RESULTS.write_text(start + section + after)


if __name__ == "__main__":
    sys.exit(main())
