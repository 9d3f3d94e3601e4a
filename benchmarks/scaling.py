"""How the cost grows: replicas, services on one edge, releases in the ledger, size of deploy.yaml.

Usage: python -m benchmarks.scaling [--rounds N] [--write]

It fails where something grows faster than what it is counted by.
"""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from tests.support.sandbox import Sandbox, sandbox

from benchmarks.chart import Panel, panels
from benchmarks.measuring import Numbers, in_turn, seconds, table
from benchmarks.results import Benchmark
from deploy_action.platforms.docker.edge.edge import Edge
from deploy_action.platforms.docker.edge.host import reader_argv
from deploy_action.platforms.docker.edge.render import render
from deploy_action.platforms.docker.edge.state import backend_name
from deploy_action.platforms.docker.engine import connect
from deploy_action.releases.ledger import decode, encode
from deploy_action.session.client import Session

REPLICAS = (1, 2, 4, 8, 16)
SERVICES = (1, 10, 100)
RELEASES = (10, 1000, 10000)
VARIABLES = (10, 100, 1000, 10000)
IMAGES = ("1.0.0", "2.0.0")
LEDGER = "/state/ledger/shop/production"
NOISE = 0.25
"""Growth by less than this share of the whole is not told from none."""
SLACK = 1.5
"""What the last unit may cost at most, in what the first ones cost."""

TITLES = {
    "replicas": "replicas of the service",
    "services": "services on the edge, each with a container",
    "releases": "releases in the ledger",
    "variables": "variables in deploy.yaml",
}


class Course:
    """A service whose surroundings grow."""

    def __init__(self, box: Sandbox) -> None:
        self.box, self.made = box, 0

    def deploy(self) -> float:
        """Deploy another release."""
        self.made += 1
        self.box.configure(env={"NUMBER": str(self.made)})
        return self._timed("deploy", "--version", IMAGES[self.made % 2])

    def with_replicas(self, count: int) -> float:
        """Deploy another release with so many replicas in place of as many."""
        self.box.configure(replicas=count)
        self.deploy()
        return self.deploy()

    def status(self) -> float:
        """Ask how it is."""
        return self._timed("status")

    def history(self) -> float:
        """Ask what was."""
        return self._timed("history")

    def validate(self, variables: int) -> float:
        """Read a deploy.yaml of that size."""
        self.box.configure(env={f"VARIABLE_{n}": f"value {n}" for n in range(variables)})
        return self._timed("validate")

    def _timed(self, *argv: str) -> float:
        begun = time.perf_counter()
        done = self.box.run(*argv)
        took = time.perf_counter() - begun
        if done.exit_code != 0:
            raise SystemExit(done.text)
        return took

    def have_services(self, count: int) -> None:
        """Put others on the edge: a route and a server of each, and a container of each."""
        engine = connect("local")
        with closing(engine):
            edge = engine.container(self.box.edge)
            if edge is None:
                raise SystemExit("the edge is gone")
            stream = engine.connect(edge.id, reader_argv())
            with closing(Session("local", stream)) as session:
                state = Edge(host="local", session=session).state()
                own = state.backends[backend_name("shop", "production")]
                known = len(state.backends)
                for number in range(known, count):
                    host, name = f"n{number}.example.com", f"other{number}_production"
                    backend = dataclasses.replace(own, name=name, host=host)
                    # One change after all of them, so one more generation.
                    state = dataclasses.replace(
                        state.with_backend(name, backend), generation=state.generation
                    )
                    self._container(number)
                session.change_edge(
                    render(dataclasses.replace(state, generation=state.generation + 1)),
                    generation=state.generation,
                    reload=True,
                    commands="",
                )

    def _container(self, number: int) -> None:
        labels = {"edge": self.box.edge, "role": "replica", "service": f"other{number}"}
        argv = [f"--label=deploy-action.{name}={value}" for name, value in labels.items()]
        self.box.docker("create", *argv, f"deploy-action-demo:{IMAGES[0]}")

    def have_releases(self, count: int) -> None:
        """Write a ledger of so many entries; the last one is what serves."""
        newest = self.box.docker("exec", self.box.edge, "sh", "-c", f"ls {LEDGER} | grep json")
        last = max(newest.split())
        entry = decode(self.box.docker("exec", self.box.edge, "cat", f"{LEDGER}/{last}").encode())
        sink = io.BytesIO()
        with tarfile.open(fileobj=sink, mode="w") as archive:
            for number in range(1, count + 1):
                release = entry.release
                if number < count:
                    release = dataclasses.replace(release, version=f"0.{number}.0")
                content = encode(dataclasses.replace(entry, number=number, release=release))
                member = tarfile.TarInfo(f"{number:08d}.json")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        self.box.docker(
            "exec", self.box.edge, "find", LEDGER, "-name", "*.json", "-delete"
        )  # the older ones have other numbers
        subprocess.run(
            ["docker", "exec", "-i", self.box.edge, "tar", "-x", "-C", LEDGER],
            input=sink.getvalue(),
            check=True,
        )


def measure(rounds: int) -> Numbers:
    """Let one thing grow at a time."""
    took: dict[str, dict[str, dict[str, list[float]]]] = {name: {} for name in TITLES}
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as box:
        box.configure(smoke=None, stop={"timeout": "3s", "drain": "0s"})
        box.deployed(IMAGES[0])
        course = Course(box)
        for count in VARIABLES:
            acts: dict[str, Callable[[], float]] = {
                "validate": lambda count=count: course.validate(count)  # type: ignore[misc]
            }
            took["variables"][str(count)] = in_turn(acts, rounds)
        acts = {
            str(count): lambda count=count: course.with_replicas(count)  # type: ignore[misc]
            for count in REPLICAS
        }
        found = in_turn(acts, rounds)
        took["replicas"] = {count: {"deploy": values} for count, values in found.items()}
        box.configure(replicas=1)
        course.deploy()
        acts = {"deploy": course.deploy, "status": course.status, "history": course.history}
        for count in RELEASES:
            course.have_releases(count)
            took["releases"][str(count)] = in_turn(acts, rounds)
        del acts["history"]
        for count in SERVICES:
            course.have_services(count)
            took["services"][str(count)] = in_turn(acts, rounds)
    return {"rounds": rounds, "seconds": took}


def growth(series: dict[int, float]) -> tuple[float, float]:
    """Return the cost of a unit at the end, and what it is in units of the cost before.

    The second is 0 where the whole growth is within the noise.
    """
    counts = sorted(series)
    first, *_, before, last = counts
    if series[last] - series[first] < NOISE * series[first]:
        return 0.0, 0.0
    late = (series[last] - series[before]) / (last - before)
    early = (series[before] - series[first]) / (before - first)
    if late <= 0:
        return 0.0, 0.0
    # What was free until then cannot be compared: held against an even share of the whole.
    even = (series[last] - series[first]) / (last - first)
    return late, late / max(early, even / SLACK)


def rows(numbers: Numbers) -> Iterator[tuple[str, str, dict[int, list[float]]]]:
    """Walk over what grew: what by, which command, and its samples."""
    for by, counts in numbers["seconds"].items():
        commands = dict.fromkeys(command for found in counts.values() for command in found)
        for command in commands:
            yield by, command, {int(n): found[command] for n, found in counts.items()}


def section(numbers: Numbers) -> Iterator[str]:
    """Render the numbers as Markdown."""
    yield (
        "Whole commands, from the start of the process to its end, on one host by socket; min / "
        f"median / max of {numbers['rounds']}. The last column is the cost of one more, from the "
        "minima, and whether it stays constant."
    )
    yield ""
    for by, title in TITLES.items():
        mine = [(command, found) for b, command, found in rows(numbers) if b == by]
        counts = sorted(mine[0][1])
        lines = []
        for command, found in mine:
            unit, change = growth({n: min(values) for n, values in found.items()})
            verdict = "flat" if not unit else "linear" if change <= SLACK else "**worse**"
            cost = f"{1000 * unit:.1f} ms" if unit >= 0.0001 else f"{1e6 * unit:.0f} µs"
            lines.append(
                [
                    f"`{command}`",
                    *(seconds(found[n]) for n in counts),
                    f"{cost}, {verdict}" if unit else verdict,
                ]
            )
        head = [title, *(f"{n:,}" for n in counts), "one more"]
        yield from table(head, lines)
    yield "![how the cost grows](results/scaling.svg)"
    yield ""


def good(numbers: Numbers) -> bool:
    """Return whether no cost grows faster than linearly."""
    return all(
        growth({n: min(values) for n, values in found.items()})[1] <= SLACK
        for _, _, found in rows(numbers)
    )


def pictures(numbers: Numbers) -> dict[str, str]:
    """Draw one panel per dimension."""
    drawn = []
    for by, title in TITLES.items():
        mine = {command: found for b, command, found in rows(numbers) if b == by}
        drawn.append(Panel(title=title, series=mine))
    return {"scaling.svg": panels("Seconds by what grows: median, least to most", drawn)}


BENCHMARK = Benchmark(
    name="scaling",
    title="How the cost grows",
    measure=measure,
    section=section,
    good=good,
    rounds=3,
    pictures=pictures,
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
