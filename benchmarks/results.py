"""Writes RESULTS.md from the samples in results/.

Usage: python -m benchmarks.results      rewrite the page and the pictures
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measuring import RESULTS, Numbers, load, machine, ratios, save

__all__ = ["NAMES", "PAGE", "Benchmark", "benchmarks", "claims", "render"]

PAGE = Path(__file__).with_name("RESULTS.md")
_SOURCE = PAGE.parents[1] / "src"
NAMES = (
    "budgets",
    "peers",
    "proxies",
    "load_proof",
    "scaling",
    "hosts",
    "startup",
    "bandit_gate",
    "analysis",
)
"""In the order of the page. Each is a module with a BENCHMARK."""
_HEAD = """\
# Results of `make bench`

Each benchmark measures both sides of a comparison in turn, in one run on one machine. The ratios are comparable
between machines; the seconds are not. The samples are in [results/](results), and this page is computed from them.
`python -m benchmarks.NAME --write` repeats one benchmark; `make bench` runs all.
All deployments are measured with `watch: 0s`. The default adds the three seconds after the switch in which the new
release, which serves already, has to stay up.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One benchmark: its measurement, its section of the page, and its budget."""

    name: str
    title: str
    measure: Callable[[int], Numbers]
    section: Callable[[Numbers], Iterator[str]]
    good: Callable[[Numbers], bool]
    rounds: int
    pictures: Callable[[Numbers], dict[str, str]] | None = None
    """File name → SVG."""

    def main(self) -> int:
        """Measure, print the section, and with `--write` keep it. Return 1 if the budget is missed."""
        module = sys.modules["__main__"].__doc__ or self.title
        parser = argparse.ArgumentParser(
            description=module, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("--rounds", type=int, default=self.rounds)
        parser.add_argument("--write", action="store_true", help="keep it in RESULTS.md")
        options = parser.parse_args()
        # An installation is compiled; a checkout may be read-only for Python.
        compileall.compile_dir(_SOURCE, quiet=1)
        numbers = {"machine": machine()} | self.measure(options.rounds)
        print("\n".join(_section(self, numbers)))
        if options.write:
            save(self.name, numbers)
            write()
        return 0 if self.good(numbers) else 1


def benchmarks() -> Iterator[Benchmark]:
    """Yield the benchmarks that have results, in the order of the page."""
    for name in NAMES:
        if (RESULTS / f"{name}.json").exists():
            yield importlib.import_module(f"benchmarks.{name}").BENCHMARK


def render() -> str:
    """Return the page."""
    lines = _HEAD.splitlines()
    for benchmark in benchmarks():
        lines += ["", *_section(benchmark, load(benchmark.name))]
    return "\n".join(lines).rstrip() + "\n"


def claims() -> tuple[str, ...]:
    """Return the computed rows of docs/explanation/comparison.md; a test compares them."""
    peers, proof, gate = load("peers"), load("load_proof"), load("bandit_gate")
    hosts, budgets = load("hosts"), load("budgets")
    each = " · ".join(
        f"{peers['lost'][peer] / peers['rounds']:.0f}" for peer in ("run", "compose", "swarm")
    )
    ours = peers["lost"]["ours"] / peers["rounds"]
    sent, lost = sum(proof["sent"].values()), sum(proof["lost"].values())
    floor = median(ratios(budgets["seconds"]["deploy"], budgets["seconds"]["floor"]))
    bandit = median(ratios(gate["seconds"]["gate"], gate["seconds"]["bandit"]))
    far = importlib.import_module("benchmarks.hosts")
    ratio = far.ratio_at(hosts, far.FAR)
    rows = (
        (
            (
                "requests lost per replacement of a service at 200 a second: "
                "`docker stop` and `run` · Compose · `docker service update` · deploy-action"
            ),
            f"{each} · **{ours:.0f}**",
            "peers",
        ),
        (
            (
                "requests lost in 50 deployments, 10 failed ones, 10 rollbacks and 10 reloads of the edge, by "
                f"{proof['clients']} clients with uploads, streams, websockets and long polls"
            ),
            f"{lost} of {sent:,}",
            "load_proof --full",
        ),
        (
            f"deployment to 16 hosts {far.FAR} ms away, compared with one such host",
            f"{ratio:.1f} × the time",
            "hosts",
        ),
        (
            "whole deployment, compared with a bare `docker run` up to its first answer",
            f"{floor:.1f} × the time",
            "budgets",
        ),
        (
            "bandit gate, compared with `bandit -r` on Python's standard library, same findings",
            f"{bandit:.2f} × the time",
            "bandit_gate",
        ),
    )
    return tuple(
        f"| {what} | {value} | `.venv/bin/python -m benchmarks.{how}` |"
        for what, value, how in rows
    )


def pictures() -> dict[str, str]:
    """Return the pictures: file name → SVG."""
    drawn: dict[str, str] = {}
    for benchmark in benchmarks():
        if benchmark.pictures is not None:
            drawn |= benchmark.pictures(load(benchmark.name))
    return drawn


def write() -> None:
    """Rewrite the page and the pictures."""
    PAGE.write_text(render())
    for name, text in pictures().items():
        (RESULTS / name).write_text(text)


def _section(benchmark: Benchmark, numbers: Numbers) -> Iterator[str]:
    yield f"## {benchmark.title}"
    yield ""
    yield from benchmark.section(numbers)
    on = numbers["machine"]
    yield (
        f"`python -m benchmarks.{benchmark.name}` on {on['cores']} cores of {on['architecture']}, "
        f"{on['system']}, Docker {on['docker']}, Python {on['python']}."
    )


if __name__ == "__main__":
    write()
