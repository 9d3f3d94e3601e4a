"""Deploys to 16 hosts over ssh and to one, with 0, 50 and 100 ms more on every round trip.

Usage: python -m benchmarks.hosts [--rounds N] [--hosts N] [--write]

Every host is an engine and an ssh server of its own in a network namespace; only the cores are
shared, and sixteen engines share them badly. So besides the plain ratio the cost of the latency
itself is told, which no core has a part in: the round trips that a deployment has to wait for one
after the other are what its duration grows by, divided by what the round trip grew by. It fails
where sixteen hosts wait for more than twice the round trips of one.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from tests.support.hosts import Host, Hosts, hosts
from tests.support.sandbox import Sandbox, sandbox

from benchmarks.measuring import Numbers, ratios, seconds, spread, table
from benchmarks.results import Benchmark
from deploy_action.edge import artifact

COUNT = 16
LATENCIES = (0, 50, 100)
BUDGET = 2.0
IMAGES = ("1.0.0", "2.0.0")
# Kamal 2.12 over loopback ssh on a machine of this kind, for orientation: seconds.
KAMAL = {"deploy": 5.4, "rollback": 3.1}


def measure(rounds: int) -> Numbers:
    """Take turns between one host and all of them, at each latency."""
    took: dict[str, list[float]] = {}
    number = 100 + os.getpid() % 80
    with ExitStack() as undo:
        made = undo.enter_context(hosts(COUNT, number=number))
        for host in made.hosts:
            host.load(*(f"deploy-action-demo:{image}" for image in IMAGES), artifact.tag())
        boxes = {
            "one": undo.enter_context(_box(made, made.hosts[:1])),
            "all": undo.enter_context(_box(made, made.hosts)),
        }
        for box in boxes.values():
            for image in IMAGES:
                box.deployed(image)
        turn = 0
        for latency in LATENCIES:
            made.delay(latency)
            for _ in range(rounds):
                turn += 1
                for name, box in boxes.items():
                    took.setdefault(f"deploy {name} {latency}", []).append(_deploy(box, turn))
                    if latency == 0 and name == "one":
                        took.setdefault("rollback one 0", []).append(_timed(box, "rollback"))
        # What is cleaned up afterwards need not wait.
        made.delay(0)
    return {"rounds": rounds, "hosts": COUNT, "latencies": LATENCIES, "seconds": took}


class _box:  # noqa: N801 - reads as the context that it is
    """A service of its own on some of the hosts."""

    def __init__(self, made: Hosts, some: tuple[Host, ...]) -> None:
        self._stack, self._made, self._some = ExitStack(), made, some

    def __enter__(self) -> Sandbox:
        first = self._some[0]
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        box = self._stack.enter_context(
            sandbox(
                folder,
                hosts=[host.url for host in self._some],
                engine=first.docker,
                where=first.address,
                smoke=None,
                stop={"timeout": "3s", "drain": "0s"},
            )
        )
        box.environ.update(self._made.environment)
        return box

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _deploy(box: Sandbox, turn: int) -> float:
    box.configure(env={"NUMBER": str(turn)})
    return _timed(box, "deploy", "--version", IMAGES[turn % 2])


def _timed(box: Sandbox, *argv: str) -> float:
    begun = time.perf_counter()
    done = box.run(*argv)
    took = time.perf_counter() - begun
    if done.exit_code != 0:
        raise SystemExit(done.text)
    return round(took, 4)


def _round_trips(numbers: Numbers, name: str) -> float:
    """Divide what a deployment grew by through what a round trip grew by."""
    least, most = numbers["latencies"][0], numbers["latencies"][-1]
    took = numbers["seconds"]
    grown = median(took[f"deploy {name} {most}"]) - median(took[f"deploy {name} {least}"])
    return float(grown * 1000 / (most - least))


def section(numbers: Numbers) -> Iterator[str]:
    """Tell it as Markdown."""
    took, count = numbers["seconds"], numbers["hosts"]
    yield (
        f"{count} hosts and one, each an engine and an OpenSSH server of its own in a network "
        "namespace of this machine; `tc netem` adds the latency to every round trip. One replica a "
        f"host, the whole command, no smoke tests, no drain; {numbers['rounds']} rounds each."
    )
    yield ""
    rows = []
    for latency in numbers["latencies"]:
        one, every = took[f"deploy one {latency}"], took[f"deploy all {latency}"]
        found = ratios(every, one)
        rows.append(
            [
                f"{latency} ms",
                seconds(one),
                seconds(every),
                f"**{median(found):.2f}** ({' / '.join(spread(found))})",
            ]
        )
    yield from table(["added", "one host", f"{count} hosts", "ratio"], rows)
    one_trips, all_trips = _round_trips(numbers, "one"), _round_trips(numbers, "all")
    ratio = median(ratios(took["deploy all 50"], took["deploy one 50"]))
    yield (
        f"Round trips that are waited for one after the other: **{one_trips:.0f}** with one host, "
        f"**{all_trips:.0f}** with {count}: {all_trips / one_trips:.2f} × (budget {BUDGET:g}: "
        f"{'kept' if good(numbers) else '**missed**'}). "
        f"The plain ratio at 50 ms is {ratio:.2f}: the rest of it is the work of {count} engines, "
        f"{2 * count} new containers, on {numbers['machine']['cores']} cores, as the row without "
        "latency shows."
    )
    yield ""
    ours = {"deploy": took["deploy one 0"], "rollback": took["rollback one 0"]}
    yield (
        "Over ssh to one host, without added latency: "
        + "; ".join(
            f"{name} {seconds(values)}, {KAMAL[name] / median(values):.1f} times as fast as the "
            f"{KAMAL[name]} s of Kamal 2.12 on a machine of this kind"
            for name, values in ours.items()
        )
        + "."
    )
    yield ""


def good(numbers: Numbers) -> bool:
    """Tell whether sixteen hosts wait for at most twice the round trips of one."""
    return _round_trips(numbers, "all") <= BUDGET * _round_trips(numbers, "one")


BENCHMARK = Benchmark(
    name="hosts",
    title="Sixteen hosts, far away",
    measure=measure,
    section=section,
    good=good,
    rounds=3,
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
