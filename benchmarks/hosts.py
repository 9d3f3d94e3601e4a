"""Deploys to 16 hosts over ssh and to one, with 0, 50 and 300 ms added to every round trip.

Usage: python -m benchmarks.hosts [--rounds N] [--hosts N] [--write]

Every host is an engine and an ssh server of its own in a network namespace; only the cores are
shared, and sixteen engines share them badly. So the plain ratio at 50 ms is told beside that without
latency, which is the machine's alone, and beside that at 300 ms, where waiting is more than work. It
fails where sixteen hosts take more than twice as long as one there.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.support.hosts import Host, Hosts, hosts
from tests.support.sandbox import Sandbox, free_port, sandbox

from benchmarks.measuring import Numbers, ratios, seconds, spread, table
from benchmarks.results import Benchmark
from benchmarks.slow_line import slow_lines
from deploy_action.platforms.docker.edge import artifact

COUNT = 16
LATENCIES = (0, 50, 300)
BUDGET, NAMED, FAR = 2.0, 50, 300
IMAGES = ("1.0.0", "2.0.0")


def measure(rounds: int) -> Numbers:
    """Take turns between one host and all of them, at each latency."""
    took: dict[str, list[float]] = {}
    with ExitStack() as undo:
        made = undo.enter_context(hosts(COUNT))
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory()))
        far = _far(made, folder)
        lines = undo.enter_context(slow_lines({f.line: (f.host.address, 22) for f in far}))
        for host in made.hosts:
            host.load(*(f"deploy-action-demo:{image}" for image in IMAGES), artifact.tag())
        boxes = {
            "one": undo.enter_context(_box(made, far[:1], folder)),
            "all": undo.enter_context(_box(made, far, folder)),
        }
        for box in boxes.values():
            for image in IMAGES:
                box.deployed(image)
        turn = 0
        for latency in LATENCIES:
            lines.milliseconds = latency
            for _ in range(rounds):
                turn += 1
                for name, box in boxes.items():
                    took.setdefault(f"deploy {name} {latency}", []).append(_deploy(box, turn))
                    if latency == 0 and name == "one":
                        took.setdefault("rollback one 0", []).append(_timed(box, "rollback"))
                        took.setdefault("standby one 0", []).append(_to_standby(box, turn))
    return {"rounds": rounds, "hosts": COUNT, "latencies": LATENCIES, "seconds": took}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Far:
    """A host and the slow line by which it is reached."""

    host: Host
    line: tuple[str, int]

    @property
    def url(self) -> str:
        return f"ssh://root@{self.line[0]}:{self.line[1]}"


def _far(made: Hosts, folder: Path) -> tuple[_Far, ...]:
    """Give every host a line, and write down its key by that."""
    far = tuple(_Far(host=host, line=("127.0.0.1", free_port())) for host in made.hosts)
    known = (made.directory / "known_hosts").read_text().splitlines()
    keys = {line.split()[0]: line.split(maxsplit=1)[1] for line in known}
    (folder / "known_hosts").write_text(
        "".join(f"[{f.line[0]}]:{f.line[1]} {keys[f.host.address]}\n" for f in far)
    )
    return far


@contextmanager
def _box(made: Hosts, far: Sequence[_Far], folder: Path) -> Iterator[Sandbox]:
    """Have a service of its own on some of the hosts."""
    first = far[0].host
    directory = folder / str(len(far))
    directory.mkdir()
    with sandbox(
        directory,
        hosts=[each.url for each in far],
        engine=first.docker,
        where=first.address,
        smoke=None,
        stop={"timeout": "3s", "drain": "0s"},
    ) as box:
        box.environ.update(made.environment)
        box.environ["DEPLOY_ACTION_KNOWN_HOSTS"] = str(folder / "known_hosts")
        yield box


def _deploy(box: Sandbox, turn: int) -> float:
    box.configure(env={"NUMBER": str(turn)})
    return _timed(box, "deploy", "--version", IMAGES[turn % 2])


def _to_standby(box: Sandbox, turn: int) -> float:
    box.configure(strategy={"standby": True})
    _deploy(box, turn)
    box.configure(strategy=None)
    return _timed(box, "rollback")


def _timed(box: Sandbox, *argv: str) -> float:
    begun = time.perf_counter()
    done = box.run(*argv)
    took = time.perf_counter() - begun
    if done.exit_code != 0:
        raise SystemExit(done.text)
    return round(took, 4)


def ratio_at(numbers: Numbers, latency: int) -> float:
    """Return the median ratio of all hosts to one."""
    took = numbers["seconds"]
    return median(ratios(took[f"deploy all {latency}"], took[f"deploy one {latency}"]))


def section(numbers: Numbers) -> Iterator[str]:
    """Render the numbers as Markdown."""
    took, count = numbers["seconds"], numbers["hosts"]
    yield (
        f"{count} hosts and one, each an engine and an OpenSSH server of its own in a network "
        "namespace of this machine; a relay in front of each ssh server delays every packet by half "
        "of the added round trip, in both directions. One replica per "
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
    named, far, machine = (ratio_at(numbers, latency) for latency in (NAMED, FAR, 0))
    cores = numbers["machine"]["cores"]
    yield (
        f"The budget is {BUDGET:g} × at {NAMED} ms; it is "
        f"{'kept' if named <= BUDGET else f'**missed on {cores} cores**'}: {named:.2f}. "
        f"{count} engines that start {2 * count} containers need {machine:.1f} times as long as one "
        f"without any latency. Where waiting is most of it, at {FAR} ms, {count} hosts take "
        f"{far:.2f} times as long as one."
    )
    yield ""
    alone = {"deploy": "deploy", "rollback": "rollback", "rollback to a standby": "standby"}
    yield (
        "Over ssh to one host, without added latency: "
        + "; ".join(f"{name} {seconds(took[f'{key} one 0'])}" for name, key in alone.items())
        + "."
    )
    yield ""


def good(numbers: Numbers) -> bool:
    """Return whether sixteen hosts take at most twice as long as one where waiting is most of it."""
    return ratio_at(numbers, FAR) <= BUDGET


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
