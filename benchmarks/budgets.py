"""Compares deployment, rollback and the report of a crash with a bare `docker run`.

Usage: python -m benchmarks.budgets [--rounds N] [--write]

One round is: the floor, a deployment, a rollback to a kept container, a rollback whose containers
were removed, a rollback to a standby, a deployment that is aborted during its bake, and a release
that exits at start.
It fails where a median is over its budget.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median

from tests.support.sandbox import Finished, Sandbox, sandbox

from benchmarks.chart import Bar, bars
from benchmarks.floor import Floor, floor
from benchmarks.measuring import Numbers, in_turn, ratios, seconds, spread, table, wait_until
from benchmarks.results import Benchmark

IMAGES = ("1.0.0", "2.0.0")
BUDGETS = {
    "deploy": ("deploy", 2.0),
    "break off": ("go back while it is watched: the old one still runs", 1.0),
    "rollback, standby": ("rollback to a release on standby", 1.0),
    "rollback, kept": ("rollback to a stopped container", 2.0),
    "rollback, gone": ("rollback, the container was removed", 2.0),
}
CRASH_BUDGET_SECONDS = 1.0
_WATCHED_SECONDS = 0.3


@dataclass(slots=True, kw_only=True)
class Course:
    """One service that is deployed again and again, each time as a release of its own."""

    box: Sandbox
    floor: Floor
    made: int = 0
    serving: dict[str, list[float]] = field(default_factory=dict)
    """Seconds from the start of the command until the release had all of the traffic."""
    phases: list[list[tuple[str, float]]] = field(default_factory=list)

    def bare(self) -> float:
        """Take the floor."""
        self._rest()
        return self.floor.run(f"deploy-action-demo:{IMAGES[self.made % 2]}")

    def deploy(self) -> float:
        """Deploy another release, image and configuration."""
        self.made += 1
        self.box.configure(env={"NUMBER": str(self.made)})
        return self._timed("deploy", "deploy", "--version", IMAGES[self.made % 2])

    def roll_back_kept(self) -> float:
        """Go back to the release before, whose container was stopped and is kept."""
        return self._timed("rollback, kept", "rollback")

    def roll_back_standby(self) -> float:
        """Go back to the release before, which runs on standby."""
        self.box.configure(strategy={"standby": True})
        self._prepare("deploy", "--version", IMAGES[self.made % 2])
        took = self._timed("rollback, standby", "rollback")
        self.box.configure(strategy=None)
        return took

    def roll_back_gone(self) -> float:
        """Go back to one whose containers are gone; the image is there."""
        self._prepare("deploy", "--version", IMAGES[self.made % 2])
        stopped = set(self.box.containers()) - set(self.box.serving_containers())
        self.box.docker("rm", *stopped)
        return self._timed("rollback, gone", "rollback")

    def break_off(self) -> float:
        """Have a deployment go back while it is watched; return what that takes from the signal on."""
        self._rest()
        before = self.box.serving()
        self.box.configure(env={"NUMBER": f"{self.made} watched"}, bake="60s")
        other = next(version for version in IMAGES if version != before)
        process = self.box.start("deploy", "--version", other)
        wait_until(lambda: self.box.serving() != before, "the new release's traffic")
        time.sleep(_WATCHED_SECONDS)
        process.send_signal(signal.SIGINT)
        begun = time.perf_counter()
        wait_until(lambda: self.box.serving() == before, "the old release's traffic", pause=0.002)
        self.serving.setdefault("break off", []).append(round(time.perf_counter() - begun, 4))
        process.communicate()
        took = time.perf_counter() - begun
        if process.returncode != 4:
            raise SystemExit(f"what was broken off ended with exit {process.returncode}")
        self.box.configure(bake=None)
        return took

    def crash(self) -> float:
        """Deploy what ends at start; return how long after its end that was said."""
        self.box.configure(env={"EXIT_AT_START": "3"})
        with _Deaths(self.box) as deaths:
            process = self.box.start("deploy", "--version", IMAGES[self.made % 2])
            said = None
            for line in process.stderr or ():
                if said is None and "failed:" in line:
                    said = time.time()
            code = process.wait()
        if code != 4 or said is None:
            raise SystemExit(f"what ends at start ended with exit {code}")
        return said - deaths.first()

    def _prepare(self, *argv: str) -> Finished:
        done = self.box.run(*argv)
        if done.exit_code != 0:
            raise SystemExit(done.text)
        return done

    def _rest(self) -> None:
        """Wait until what a command before left to end has ended: its lock, what it replaced."""
        wait_until(lambda: not self.box.containers("lock"), "the lock's end")
        self.box.serving_containers()

    def _timed(self, name: str, *argv: str) -> float:
        # Nobody types the next command while the one before is on its way out.
        self._rest()
        began_at, begun = time.time(), time.perf_counter()
        done = self._prepare(*argv)
        took = time.perf_counter() - begun
        deployment = done.json["deployment"]
        phases = [(p["name"], p["start_seconds"], p["end_seconds"]) for p in deployment["phases"]]
        started = datetime.fromisoformat(deployment["started_at"]).timestamp() - began_at
        switched = next(end for phase, _, end in phases if phase == "switch")
        self.serving.setdefault(name, []).append(round(started + switched, 4))
        if name == "deploy":
            told = [("begin", round(started, 4))]
            told += [(phase, round(end - start, 4)) for phase, start, end in phases]
            self.phases.append([*told, ("end", round(took - started - phases[-1][2], 4))])
        return took


class _Deaths:
    """When containers of a sandbox ended, as the engine says it."""

    def __init__(self, box: Sandbox) -> None:
        self._times: list[float] = []
        labels = (f"label=deploy-action.edge={box.edge}", "label=deploy-action.kind=replica")
        filters = [part for label in (*labels, "event=die") for part in ("--filter", label)]
        self._events = subprocess.Popen(
            ["docker", "events", "--format", "{{json .}}", *filters],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        for line in self._events.stdout or ():
            self._times.append(json.loads(line)["timeNano"] / 1e9)

    def __enter__(self) -> _Deaths:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        wait_until(lambda: bool(self._times), "the engine's word of an end")
        self._events.terminate()
        self._events.wait()
        self._reader.join()

    def first(self) -> float:
        """Return the time of the first end, in seconds since 1970."""
        return self._times[0]


def measure(rounds: int) -> Numbers:
    """Go round and round."""
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as box:
        # What is the user's own is left out: smoke tests, drain, and how long the application
        # takes to leave.
        box.configure(smoke=None, stop={"timeout": "3s", "drain": "0s"})
        box.configure(environments={"production": {"url": box.url}})
        box.deployed(IMAGES[0])
        with floor(box) as below:
            course = Course(box=box, floor=below)
            course.deploy()
            course.serving.clear()
            course.phases.clear()
            acts = {
                "floor": course.bare,
                "deploy": course.deploy,
                "rollback, kept": course.roll_back_kept,
                "rollback, gone": course.roll_back_gone,
                "rollback, standby": course.roll_back_standby,
                "break off": course.break_off,
                "crash": course.crash,
            }
            took = in_turn(acts, rounds)
    return {
        "rounds": rounds,
        "seconds": took,
        "serving": course.serving,
        "phases": course.phases,
    }


def section(numbers: Numbers) -> Iterator[str]:
    """Render the numbers as Markdown."""
    took, serving = numbers["seconds"], numbers["serving"]
    yield (
        "The floor is a bare `docker run` of the same image until the first 200 through an HAProxy "
        "that already had the route. A ratio is the time of the whole command, from the start of the "
        "process to its end, divided by the floor of the same round. No smoke tests, no drain, no "
        f"bake; one replica, one host, by socket; {numbers['rounds']} rounds."
    )
    yield ""
    rows = [["floor", seconds(took["floor"]), "1", "", ""]]
    for name, (title, budget) in BUDGETS.items():
        found = ratios(took[name], took["floor"])
        until = ratios(serving[name], took["floor"])
        rows.append(
            [
                title,
                seconds(took[name]),
                f"**{median(found):.2f}** ({' / '.join(spread(found))})",
                f"{median(until):.2f}",
                f"≤ {budget:g}: {_verdict(median(found) <= budget)}",
            ]
        )
    head = ["", "min / median / max", "× floor", "until it serves, × floor", "budget"]
    yield from table(head, rows)
    crash = took["crash"]
    yield (
        f"A container that exited at start was reported {seconds(crash)} after its exit "
        f"(budget {CRASH_BUDGET_SECONDS:g} s: {_verdict(max(crash) <= CRASH_BUDGET_SECONDS)})."
    )
    yield ""
    yield (
        "The floor starts one container. A deployment starts Python and two containers, one of them the "
        "lock; it checks health twice and identity once, and syncs five writes to disk. Nobody waits "
        "for the end of the old replica."
    )
    yield ""
    yield "![ratios and budgets](results/budgets.svg)"
    yield ""
    yield "Where the time of a deployment goes, medians:"
    yield ""
    names = list(dict.fromkeys(name for one in numbers["phases"] for name, _ in one))
    rows = []
    whole = median(took["deploy"])
    for name in names:
        part = median(sum(s for n, s in one if n == name) for one in numbers["phases"])
        rows.append([WORDS.get(name, name), f"{1000 * part:.0f} ms", f"{part / whole:.0%}"])
    yield from table(["phase", "time", "share"], rows)


def pictures(numbers: Numbers) -> dict[str, str]:
    """Draw the ratios, with a red line for each budget."""
    took, serving = numbers["seconds"], numbers["serving"]
    rows = [Bar(name="docker run, first 200", values=[1.0])]
    for name, (title, budget) in BUDGETS.items():
        found = ratios(took[name], took["floor"])
        rows.append(Bar(name=title, values=found, limit=budget, ours=True))
        until = ratios(serving[name], took["floor"])
        rows.append(Bar(name="… until it serves", values=until, ours=True))
    title = "In units of a bare docker run: median, least to most, and the budget"
    return {"budgets.svg": bars(title, rows, shape="{:.2f} ×")}


WORDS = {
    "begin": "begin: Python, deploy.yaml, connect, lock, observe",
    "start": "start: create and start the container, tell the edge",
    "verify": "verify: healthy twice in a row, this image, this version",
    "switch": "switch: all traffic to the new one",
    "record": "record: in the ledger",
    "retire": "retire: drain the old one, have it stopped and kept",
    "end": "end: free the lock, report",
}


def good(numbers: Numbers) -> bool:
    """Return whether every budget is kept."""
    took = numbers["seconds"]
    return max(took["crash"]) <= CRASH_BUDGET_SECONDS and all(
        median(ratios(took[name], took["floor"])) <= budget for name, (_, budget) in BUDGETS.items()
    )


def _verdict(kept: bool) -> str:
    return "kept" if kept else "**missed**"


BENCHMARK = Benchmark(
    name="budgets",
    title="Deploy, roll back, crash: the budgets",
    measure=measure,
    section=section,
    good=good,
    rounds=15,
    pictures=pictures,
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
