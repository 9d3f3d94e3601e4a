"""Compares how many requests the edge forwards with kamal-proxy, Caddy and the application alone.

Usage: python -m benchmarks.proxies [--rounds N] [--write]

64 clients that keep their connections ask for 1 kB, five seconds for each in turn. The proxy has one core,
and wrk and the application have another one. It needs wrk and Go; kamal-proxy and Caddy are taken from
PATH, or built once by `go install`. It fails if the edge loses a request, or forwards fewer than four
times as many as kamal-proxy.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import urlopen

from tests.contract.bench import Bench, real_bench, with_network
from tests.support.sandbox import free_port

from benchmarks.measuring import Numbers, ratios, spread, table, wait_until
from benchmarks.results import Benchmark
from deploy_action.platforms.docker.edge import artifact
from deploy_action.platforms.docker.edge.edge import Edge
from deploy_action.platforms.docker.edge.host import ensure_edge, lock_spec
from deploy_action.platforms.docker.edge.state import Backend, Check, Server
from deploy_action.platforms.docker.lock import acquire

MODULES = {
    "kamal-proxy": "github.com/basecamp/kamal-proxy/cmd/kamal-proxy@v0.9.2",
    "caddy": "github.com/caddyserver/caddy/v2/cmd/caddy@v2.10.2",
}
BUILT = Path.home() / ".cache" / "deploy-action" / "bin"
TITLES = {
    "alone": "the application alone",
    "edge": "the edge",
    "kamal-proxy": "kamal-proxy",
    "caddy": "Caddy",
}
CLIENTS, SECONDS, BYTES = 64, 5, 1000
LEAST = 4.0
"""How many times as many requests as kamal-proxy."""
PROXY_CORE, OTHER_CORE = "0", "1"
APPLICATION = """\
defaults
  mode http
  timeout client 1m
  timeout http-keep-alive 1m
frontend application
  bind 127.0.0.1:{port}
  http-request return status 200 content-type text/plain string {body}
"""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A container that answers on a port."""

    port: int
    container: str

    def cpu_seconds(self) -> float:
        """Return what its processes have used so far."""
        shown = subprocess.run(
            ["docker", "top", self.container, "-eo", "pid"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return sum(_cpu_seconds(int(line)) for line in shown.splitlines()[1:])


def measure(rounds: int) -> Numbers:
    """Load each in turn."""
    numbers: Numbers = {"rounds": rounds, "failed": defaultdict(int)}
    kinds = ("per_second", "p99_milliseconds", "cpu_microseconds")
    numbers |= {kind: defaultdict(list) for kind in kinds}
    with _peers() as peers:
        for _ in range(rounds):
            for name, peer in peers.items():
                for kind, value in _load(peer).items():
                    if kind == "failed":
                        numbers["failed"][name] += value
                    else:
                        numbers[kind][name].append(value)
    return numbers


def _load(peer: Peer) -> Mapping[str, Any]:
    before = peer.cpu_seconds()
    url = f"http://127.0.0.1:{peer.port}/"
    shown = subprocess.run(
        [
            "taskset",
            "-c",
            OTHER_CORE,
            "wrk",
            "-t1",
            f"-c{CLIENTS}",
            f"-d{SECONDS}",
            "--latency",
            url,
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    requests = int(_found(r"(\d+) requests in", shown))
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", _found(r"99%\s+(\S+)", shown)).groups()  # type: ignore[union-attr]
    # It prints what failed only if something did.
    failed = re.findall(r"(?:connect|read|write|timeout|Non-2xx or 3xx responses:?) (\d+)", shown)
    return {
        "per_second": round(float(_found(r"Requests/sec:\s+([\d.]+)", shown))),
        "p99_milliseconds": round(float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit], 2),
        "cpu_microseconds": round(1e6 * (peer.cpu_seconds() - before) / requests, 1),
        "failed": sum(map(int, failed)),
    }


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(f"wrk says nothing like {pattern}:\n{text}")
    return found[1]


@contextlib.contextmanager
def _peers() -> Iterator[Mapping[str, Peer]]:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")
    programs = {name: _program(name) for name in MODULES}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        application = stack.enter_context(_application(folder))
        peers = {"alone": application, "edge": stack.enter_context(_edge(application.port))}
        for name, program in programs.items():
            peers[name] = stack.enter_context(_go(name, program, application.port))
        for name, peer in peers.items():
            wait_until(lambda peer=peer: _answers(peer.port), name)  # type: ignore[misc]
        yield peers


@contextlib.contextmanager
def _container(
    port: int, core: str, mounted: Path, *command: str, answering: Sequence[str] = ()
) -> Iterator[Peer]:
    """Run a command in a container beside the edge's, where the engine shares out the cores alike.

    Args:
        mounted: is /mounted there.
        answering: a command that succeeds in the container once it answers.
    """
    name = f"bench-proxies-{port}"
    options = ["--rm", "--name", name, "--network", "host", "--cpuset-cpus", core]
    options += ["-v", f"{mounted}:/mounted:ro", "--entrypoint", command[0]]
    _docker("run", "-d", *options, artifact.tag(), *command[1:])
    try:
        if answering:
            wait_until(lambda: _docker("exec", name, *answering, check=False) == 0, command[0])
        yield Peer(port=port, container=name)
    finally:
        _docker("rm", "-f", name)


def _docker(*arguments: str, check: bool = True) -> int:
    return subprocess.run(["docker", *arguments], check=check, capture_output=True).returncode


@contextlib.contextmanager
def _application(folder: Path) -> Iterator[Peer]:
    port = free_port()
    written = APPLICATION.format(port=port, body="x" * BYTES)
    (folder / "application.cfg").write_text(written)
    folder.chmod(0o755)
    with _container(port, OTHER_CORE, folder, "haproxy", "-f", "/mounted/application.cfg") as peer:
        yield peer


@contextlib.contextmanager
def _edge(application: int) -> Iterator[Peer]:
    port = free_port()
    server = Server(name="a", address="127.0.0.1", port=application, weight=100)
    backend = Backend(
        name="shop_production",
        protocol="http",
        host="",
        path="/",
        port=port,
        check=Check(kind="http"),
        servers=(server,),
    )
    with real_bench() as bench:
        with_network(bench)
        ensure_edge(bench.engine, bench.options, [], bench.clock)
        _on_one_core(bench)
        spec = lock_spec(bench.options, f"{bench.name}-lock", {})
        lock = acquire(bench.engine, spec, wait_seconds=0, clock=bench.clock)
        Edge(host="local", session=lock.session).change(backend.name, lambda _: backend)
        lock.release()
        yield Peer(port=port, container=bench.name)


def _on_one_core(bench: Bench) -> None:
    """HAProxy starts as many threads as it has cores."""
    _docker("update", "--cpuset-cpus", PROXY_CORE, bench.name)
    _docker("restart", bench.name)


@contextlib.contextmanager
def _go(name: str, program: Path, application: int) -> Iterator[Peer]:
    port = free_port()
    target = f"127.0.0.1:{application}"
    inside = f"/mounted/{program.name}"
    arguments, answering = {
        "kamal-proxy": (
            ("run", f"--http-port={port}", f"--https-port={free_port()}"),
            (inside, "deploy", "shop", "--target", target, "--health-check-path", "/"),
        ),
        "caddy": (("reverse-proxy", "--from", f"http://127.0.0.1:{port}", "--to", target), ()),
    }[name]
    with _container(
        port, PROXY_CORE, program.parent, inside, *arguments, answering=answering
    ) as peer:
        yield peer


def _program(name: str) -> Path:
    found = shutil.which(name, path=f"{BUILT}{os.pathsep}{os.environ['PATH']}")
    if found is not None:
        return Path(found)
    # Without C they run in any image.
    environment = os.environ | {"GOBIN": str(BUILT), "CGO_ENABLED": "0"}
    subprocess.run(["go", "install", MODULES[name]], check=True, env=environment)
    return BUILT / name


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return len(answer.read()) == BYTES
    except OSError:
        return False


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    # User and system time are fields 14 and 15 of proc(5); a command's name may have blanks.
    return (int(fields[11]) + int(fields[12])) / _TICKS


def section(numbers: Numbers) -> Iterator[str]:
    """Render the numbers as Markdown."""
    yield (
        f"{CLIENTS} clients that keep their connections ask for {BYTES} bytes, {SECONDS} s for each "
        f"in turn, {numbers['rounds']} times. A proxy has one core. GETs only: they share "
        "connections to the application at the edge. The CPU is the proxy's own, for a request."
    )
    yield ""
    yield from table(
        ["", "requests/s, min / median / max", "× kamal-proxy", "p99", "CPU", "failed"],
        [
            [
                title,
                " / ".join(spread(numbers["per_second"][name], "{:.0f}")),
                f"**{median(_times(numbers, name)):.2f}**",
                f"{median(numbers['p99_milliseconds'][name]):.1f} ms",
                f"{median(numbers['cpu_microseconds'][name]):.0f} µs",
                numbers["failed"][name],
            ]
            for name, title in TITLES.items()
        ],
    )


def _times(numbers: Numbers, name: str) -> list[float]:
    return ratios(numbers["per_second"][name], numbers["per_second"]["kamal-proxy"])


def good(numbers: Numbers) -> bool:
    """Return whether the edge lost nothing and is fast enough."""
    return numbers["failed"]["edge"] == 0 and median(_times(numbers, "edge")) >= LEAST


BENCHMARK = Benchmark(
    name="proxies",
    title="Requests a second",
    measure=measure,
    section=section,
    good=good,
    rounds=7,
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
