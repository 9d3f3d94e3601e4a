"""RESULTS.md, made of the files in results/: what is told there is computed from the samples.

Usage: python -m benchmarks.results      writes it anew from the files
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
NAMES = ("budgets", "peers", "load_proof", "scaling", "hosts", "startup", "bandit_gate")
"""In the order of the page. Each is a module with a BENCHMARK."""
_HEAD = """\
# Results of `make bench`

Every figure is measured beside what it is compared with, in turn, in one run on one machine, so that
the ratios hold where the seconds do not. The samples are in [results/](results); this page is
computed from them. `python -m benchmarks.NAME --write` repeats one; `make bench` shows all.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One benchmark: how it is measured, how it is told, and when it is good enough."""

    name: str
    title: str
    measure: Callable[[int], Numbers]
    section: Callable[[Numbers], Iterator[str]]
    good: Callable[[Numbers], bool]
    rounds: int
    pictures: Callable[[Numbers], dict[str, str]] | None = None
    """File name → SVG."""

    def main(self) -> int:
        """Measure, print the section, keep it if asked to; 1 where it is not good enough."""
        module = sys.modules["__main__"].__doc__ or self.title
        parser = argparse.ArgumentParser(
            description=module, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("--rounds", type=int, default=self.rounds)
        parser.add_argument("--write", action="store_true", help="keep it in RESULTS.md")
        options = parser.parse_args()
        # As an installation does it; a checkout may not be allowed to keep what Python compiles.
        compileall.compile_dir(_SOURCE, quiet=1)
        numbers = {"machine": machine()} | self.measure(options.rounds)
        print("\n".join(_section(self, numbers)))
        if options.write:
            save(self.name, numbers)
            write()
        return 0 if self.good(numbers) else 1


def benchmarks() -> Iterator[Benchmark]:
    """Yield those that have results, in the order of the page."""
    for name in NAMES:
        if (RESULTS / f"{name}.json").exists():
            yield importlib.import_module(f"benchmarks.{name}").BENCHMARK


def render() -> str:
    """Write the page from the files."""
    lines = _HEAD.splitlines()
    for benchmark in benchmarks():
        lines += ["", *_section(benchmark, load(benchmark.name))]
    return "\n".join(lines).rstrip() + "\n"


def claims() -> tuple[str, ...]:
    """Write the README's rows of numbers; a test holds the README to them."""
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
                "requests lost each time that a service is replaced at 200 a second: "
                "`docker stop` and `run` · Compose · `docker service update` · deploy-action"
            ),
            f"{each} · **{ours:.0f}**",
            "peers",
        ),
        (
            (
                "lost in 50 deployments, 10 failed ones, 10 rollbacks and 10 reloads of the edge, by "
                f"{proof['clients']} clients with uploads, streams, websockets and long polls"
            ),
            f"{lost} of {sent:,}",
            "load_proof --full",
        ),
        (
            f"a deployment to 16 hosts that are {far.FAR} ms away against one to one such host",
            f"{ratio:.1f} × the time",
            "hosts",
        ),
        (
            "a whole deployment against a bare `docker run` and its first answer",
            f"{floor:.1f} × the time",
            "budgets",
        ),
        (
            "bandit's gate against `bandit -r` on Python's standard library, same findings",
            f"{bandit:.2f} × the time",
            "bandit_gate",
        ),
    )
    return tuple(
        f"| {what} | {value} | `.venv/bin/python -m benchmarks.{how}` |"
        for what, value, how in rows
    )


def pictures() -> dict[str, str]:
    """Draw what is to be drawn: file name → SVG."""
    drawn: dict[str, str] = {}
    for benchmark in benchmarks():
        if benchmark.pictures is not None:
            drawn |= benchmark.pictures(load(benchmark.name))
    return drawn


def write() -> None:
    """Bring page and pictures up to the files."""
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
