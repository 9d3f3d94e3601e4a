"""Counts lost requests during deployments, failures, rollbacks and reloads of the edge.

Usage: python -m benchmarks.load_proof [--full] [--deployments N] [--failed N] [--rollbacks N]
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
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.load_probe import upper_bound
from tests.support.sandbox import Finished, Sandbox, free_port, sandbox
from tests.support.traffic import FULL, Total, Traffic

from benchmarks import results
from benchmarks.measuring import Numbers, machine, save, spread, table
from benchmarks.results import Benchmark

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
        done, expected = self._act(act)
        self.seconds[act].append(time.monotonic() - begun)
        if done.exit_code != expected:
            raise SystemExit(f"{act} ended with {done.exit_code}, not {expected}:\n{done.text}")

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
    numbers = {"machine": machine()} | prove(counts)
    print("\n".join(section(numbers)))
    for example in numbers["examples"]:
        print(f"- {example}")
    if options["write"]:
        save(BENCHMARK.name, numbers)
        results.write()
    return 0 if good(numbers) else 1


def prove(counts: dict[str, int]) -> Numbers:
    """Do all acts under the load, and count."""
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
        seconds = time.monotonic() - begun
        return _numbers(proof, traffic.total(), seconds, _reloads(box) - before)


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
    match = re.search(r"^\d+\s+master\s+(\d+)", shown, re.MULTILINE)
    if match is None:
        raise SystemExit(f"the edge's master does not say how often it reloaded:\n{shown}")
    return int(match[1])


def _numbers(proof: Proof, total: Total, seconds: float, reloads: int) -> Numbers:
    return {
        "clients": FULL.clients,
        "run_seconds": round(seconds),
        "reloads": reloads,
        "sent": total.sent,
        "lost": total.lost,
        "seconds": {act: [round(one, 1) for one in took] for act, took in proof.seconds.items()},
        "times": {act: len(took) for act, took in proof.seconds.items()},
        "examples": total.examples[:20],
    }


def section(numbers: Numbers) -> Iterator[str]:
    """Render the numbers as Markdown."""
    sent, lost = sum(numbers["sent"].values()), sum(numbers["lost"].values())
    yield (
        f"{numbers['clients']} clients for {numbers['run_seconds']} s: **{sent:,} requests, streams "
        f"and websockets, {lost:,} lost** (at most {upper_bound(sent, lost):.4%} at 95 % "
        f"confidence); the edge reloaded {numbers['reloads']} times. `--full` is the long run."
    )
    yield ""
    rows = [[kind, f"{n:,}", f"{numbers['lost'][kind]:,}"] for kind, n in numbers["sent"].items()]
    yield from table(["clients", "sent", "lost"], rows)
    rows = [
        [act, str(numbers["times"][act]), *(f"{text} s" for text in spread(took, "{:.1f}"))]
        for act, took in numbers["seconds"].items()
    ]
    yield from table(["", "times", "min", "median", "max"], rows)
    yield (
        "The times are those of the whole command under this load, including the drain of the 8 s "
        "polls and websockets; clients, edge and application share the cores."
    )
    yield ""


def good(numbers: Numbers) -> bool:
    """Return whether nothing was lost."""
    return not any(numbers["lost"].values())


BENCHMARK = Benchmark(
    name="load_proof",
    title="Load proof",
    measure=lambda _: prove(SHORT),
    section=section,
    good=good,
    rounds=1,
)

if __name__ == "__main__":
    sys.exit(main())
