"""How soon the command line and the action's image say something.

Usage: python -m benchmarks.startup [--rounds N] [--write]

`--version`, `--help` and `validate` beside the bare import of what `validate` needs; the image, from
`docker run` to its first line and to the end of `validate`, beside a `docker run` of its base that says
one word; and both with their pull, on a host that has nothing, from a registry behind a slow line. It
fails where `validate` takes more than three times as long as the imports, or where the image is bigger
than 60 MB as it is downloaded. That its first line comes within 1.5 times the base's is a budget that may be missed.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from tests.support.hosts import Host, hosts
from tests.support.registry import Registry, registry
from tests.support.sandbox import free_port

from benchmarks.measuring import Numbers, in_turn, milliseconds, ratios, seconds_of, spread, table
from benchmarks.results import Benchmark
from benchmarks.slow_line import slow_lines
from deploy_action import __version__

ROOT = Path(__file__).resolve().parents[1]
BUDGET, LATER, LARGEST = 3.0, 1.5, 60.0
MEGABITS, MILLISECONDS, PULLS = 200, 20, 3
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
    run = ("docker", "run", "--rm")
    acts["base's end"] = functools.partial(_command, (*run, BASE, "echo", "ready"))
    acts["image's end"] = functools.partial(_command, (*run, *asked, *place, IMAGE))
    return {"rounds": rounds, "seconds": in_turn(acts, rounds)} | _pulled()


def _pulled() -> Numbers:
    """Pull and start both on a host that has nothing of them."""
    runs = {BASE: ("echo", "ready"), IMAGE: ()}
    with registry() as store, hosts(1) as machines:
        (machine,) = machines.hosts
        for name in runs:
            store.push(name, name)
        there, line = ("127.0.0.1", store.inner), free_port()
        with slow_lines({("127.0.0.1", line): there}) as lines, machines.lent(machine, line):
            lines.milliseconds = MILLISECONDS
            shape = f"tc qdisc add dev v{machine.name} root tbf rate {MEGABITS}mbit burst 256k latency 50ms"
            subprocess.run(shape.split(), check=True)
            acts = {
                name: functools.partial(_pull, machine, f"127.0.0.1:{line}/{name}", argv)
                for name, argv in runs.items()
            }
            took = in_turn(acts, PULLS)
        return {"megabytes": {name: _megabytes(store, name) for name in runs}, "pulled": took}


def _pull(machine: Host, image: str, argv: Sequence[str]) -> float:
    machine.run("image", "prune", "-af")
    docker = ("docker", "-H", machine.docker)
    pulled = seconds_of([*docker, "pull", "-q", image])
    # Without inputs the action says what is wrong with them.
    begun = time.perf_counter()
    with subprocess.Popen(
        [*docker, "run", "--rm", image, *argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        line = process.stdout.readline() if process.stdout is not None else b""
        took = time.perf_counter() - begun
        process.communicate()
    if not line:
        raise SystemExit(f"{image} said nothing")
    return pulled + took


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


def _megabytes(store: Registry, image: str) -> float:
    """Return the size of what is downloaded: the compressed layers."""
    name, _, tag = image.partition(":")
    asked = urllib.request.Request(
        f"http://127.0.0.1:{store.inner}/v2/{name}/manifests/{tag}",
        headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        sizes: list[int] = [layer["size"] for layer in json.load(answer)["layers"]]
    return round(sum(sizes) / 1e6, 1)


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
    size, pulled = numbers["megabytes"], numbers["pulled"]
    ours = next(name for name in size if name != BASE)
    rows = [
        [f"`{BASE}`, `echo`", milliseconds(took["base"]), "1"],
        ["the action", *_beside(took["image"], took["base"])],
        [
            "the action, to the end of `validate` (× base to its end)",
            *_beside(took["image's end"], took["base's end"]),
        ],
    ]
    soon = median(ratios(took["image"], took["base"])) <= LATER
    budget = f"× base; ≤ {LATER:g}: {'kept' if soon else '**missed**'}"
    yield from table(["`docker run` to the first line", "", budget], rows)
    yield ""
    yield (
        f"Pull and start on a host that has nothing of the image, over a line of {MEGABITS} Mbit/s with {MILLISECONDS} ms "
        f"to the registry, {PULLS} times each. The size is that of the download; the budget is {LARGEST:g} MB."
    )
    yield ""
    rows = [
        [f"`{BASE}`", milliseconds(pulled[BASE]), "1", f"{size[BASE]} MB"],
        ["the action", *_beside(pulled[ours], pulled[BASE]), f"{size[ours]} MB"],
    ]
    yield from table(["pull and start", "min / median / max", "× base", "size"], rows)


def _beside(values: Sequence[float], floor: Sequence[float]) -> tuple[str, str]:
    found = ratios(values, floor)
    return milliseconds(values), f"**{median(found):.2f}** ({' / '.join(spread(found))})"


def good(numbers: Numbers) -> bool:
    """Return whether the budgets of `validate` and of the image's size are kept."""
    took = numbers["seconds"]
    small = all(megabytes <= LARGEST for megabytes in numbers["megabytes"].values())
    return small and all(
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
