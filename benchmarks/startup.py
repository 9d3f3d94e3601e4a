"""How soon the command line and the action's image say something.

Usage: python -m benchmarks.startup [--rounds N] [--write]

`--version`, `--help` and `validate` beside the bare import of what `validate` needs; the image, from
`docker run` to its first line, beside a `docker run` of its base that says one word. It fails where
`validate` takes more than three times as long as the imports.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks.measuring import Numbers, in_turn, milliseconds, ratios, seconds_of, spread, table
from benchmarks.results import Benchmark
from deploy_action import __version__

ROOT = Path(__file__).resolve().parents[1]
BUDGET = 3.0
BASE, IMAGE = "debian:trixie-slim", f"deploy-action:{__version__}"
IMPORTS = "import yaml, jsonschema"
OURS = (sys.executable, "-m", "deploy_action")
COMMANDS = {
    "--version": ("--version",),
    "--help": ("--help",),
    "validate, five lines": ("validate", "--config", "examples/minimal.yaml"),
    "validate, two environments": ("validate", "--config", "examples/staging-production.yaml"),
    "validate, every key": ("validate", "--config", "tests/corpus/valid/everything.yaml"),
}


def measure(rounds: int) -> Numbers:
    """Take turns."""
    acts: dict[str, Callable[[], float]] = {
        "imports": functools.partial(_command, (sys.executable, "-c", IMPORTS))
    }
    for name, argv in COMMANDS.items():
        acts[name] = functools.partial(_command, (*OURS, *argv))
    acts["base"] = functools.partial(_first_line, (BASE, "echo", "ready"))
    asked = ("-e", "INPUT_COMMAND=validate", "-e", "INPUT_CONFIG=examples/minimal.yaml")
    place = ("-v", f"{ROOT}:/repository:ro", "-w", "/repository")
    acts["image"] = functools.partial(_first_line, (*asked, *place, IMAGE))
    return {
        "rounds": rounds,
        "seconds": in_turn(acts, rounds),
        "megabytes": {name: _megabytes(name) for name in (BASE, IMAGE)},
    }


def _command(argv: Sequence[str]) -> float:
    return seconds_of(argv, cwd=ROOT)


def _first_line(argv: Sequence[str]) -> float:
    begun = time.perf_counter()
    command = ["docker", "run", "--rm", *argv]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        line = process.stdout.readline() if process.stdout is not None else b""
        took = time.perf_counter() - begun
        process.communicate()
    if not line or process.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}, {line!r}")
    return took


def _megabytes(image: str) -> int:
    shown = subprocess.run(
        ["docker", "image", "inspect", "-f", "{{.Size}}", image],
        check=True,
        capture_output=True,
        text=True,
    )
    return round(int(shown.stdout) / 1e6)


def section(numbers: Numbers) -> Iterator[str]:
    """Render the numbers as Markdown."""
    took = numbers["seconds"]
    yield (
        f"Each command alternates with `python -c '{IMPORTS}'`, {numbers['rounds']} times. The "
        f"budget of `validate` is {BUDGET:g} times the imports."
    )
    yield ""
    rows = [["the imports", milliseconds(took["imports"]), "1"]]
    rows += [[f"`{name}`", *_beside(took[name], took["imports"])] for name in COMMANDS]
    yield from table(["", "min / median / max", "× imports"], rows)
    size = numbers["megabytes"]
    ours = next(megabytes for name, megabytes in size.items() if name != BASE)
    rows = [
        [f"`{BASE}`, `echo`", milliseconds(took["base"]), "1", f"{size[BASE]} MB"],
        ["the action, `validate`", *_beside(took["image"], took["base"]), f"{ours} MB"],
    ]
    yield from table(["`docker run` to the first line", "", "× base", "size"], rows)


def _beside(values: Sequence[float], floor: Sequence[float]) -> tuple[str, str]:
    found = ratios(values, floor)
    return milliseconds(values), f"**{median(found):.2f}** ({' / '.join(spread(found))})"


def good(numbers: Numbers) -> bool:
    """Return whether the budget of `validate` is kept."""
    took = numbers["seconds"]
    return all(
        median(ratios(took[name], took["imports"])) <= BUDGET
        for name in COMMANDS
        if name.startswith("validate")
    )


BENCHMARK = Benchmark(
    name="startup",
    title="Start-up",
    measure=measure,
    section=section,
    good=good,
    rounds=15,
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
