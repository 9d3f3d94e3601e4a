"""Replaces the same application under the same load in five ways; counts losses and time.

Usage: python -m benchmarks.peers [--rounds N] [--write]

Plain `docker stop` and `docker run`, Docker Compose, `docker service update` with its defaults and
with its best options, and deploy-action, in turn, on an engine of its own. It fails if deploy-action
loses a request.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.load_probe import Load, Probe, ProbeResult
from tests.support.hosts import Host, hosts
from tests.support.sandbox import Sandbox, sandbox

from benchmarks.chart import Bar, bars
from benchmarks.measuring import Numbers, seconds, seconds_of, table, wait_until
from benchmarks.results import Benchmark
from deploy_action.platforms.docker.edge import artifact

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ("1.0.0", "2.0.0")
LOAD = Load(keep_alive=8, new=8, post=4, rate=200.0, version_header="X-Version", allow_remote=True)
AFTERWARDS = 200
"""Good answers of the new version that are waited for, so that late losses count too."""
PORTS = {"run": 8101, "compose": 8102, "swarm": 8103, "swarm-edge": 8104}
TITLES = {
    "run": "`docker stop`, `docker run`",
    "compose": "`docker compose up`",
    "swarm": "`docker service update`",
    "swarm-edge": "`docker service update`, start-first, behind HAProxy",
    "ours": "`deploy-action deploy`",
}
COMPOSE = """\
services:
  shop:
    image: deploy-action-demo:${TAG}
    ports: ["8102:8080"]
    healthcheck:
      test: ["CMD", "python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 8080))"]
      interval: 1s
"""
# HAProxy asks Docker's DNS for the tasks, checks each often, and tries again elsewhere.
HAPROXY = """\
resolvers docker
  nameserver dns 127.0.0.11:53
  hold valid 200ms
  timeout resolve 200ms
  timeout retry 200ms
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  option redispatch 1
  option http-server-close
  retries 3
  retry-on conn-failure
frontend in
  bind :8104
  default_backend out
backend out
  option httpchk GET /healthz
  server-template shop 4 tasks.balanced:8080 check inter 100ms resolvers docker init-addr none
"""


@dataclass(slots=True, kw_only=True)
class Course:
    """An engine on which the same application runs in several ways."""

    host: Host
    compose: Path
    folder: Path
    box: Sandbox
    sent: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    took: dict[str, list[float]] = field(default_factory=dict)

    def docker(self, *argv: str) -> None:
        """Run a docker command that has to succeed."""
        seconds_of(["docker", "-H", self.host.docker, *argv])

    def local(self, version: str) -> str:
        """Name an image by its id: a swarm asks a registry for every other, and waits for it."""
        shown = self.host.run("image", "inspect", "-f", "{{.Id}}", f"deploy-action-demo:{version}")
        return shown.strip()

    def url(self, peer: str) -> str:
        """Where it is reached."""
        return self.box.url if peer == "ours" else f"http://{self.host.address}:{PORTS[peer]}"

    def begin(self) -> None:
        """Have version 1 serve in all ways."""
        image = f"deploy-action-demo:{IMAGES[0]}"
        self.docker("run", "-d", "--name", "plain", "-p", f"{PORTS['run']}:8080", image)
        (self.folder / "compose.yaml").write_text(COMPOSE)
        self.by_compose(IMAGES[0])
        self.docker("swarm", "init", "--advertise-addr", self.host.address)
        self.docker("network", "create", "-d", "overlay", "--attachable", "balanced")
        port = f"mode=host,published={PORTS['swarm']},target=8080"
        create = ("service", "create", "-q", "--no-resolve-image")
        local = self.local(IMAGES[0])
        self.docker(*create, "--name", "plain", "--publish", port, local)
        self.docker(
            *(*create, "--name", "balanced", "--network", "balanced"),
            *("--endpoint-mode", "dnsrr", "--update-order", "start-first", local),
        )
        (self.folder / "haproxy.cfg").write_text(HAPROXY)
        self.docker(
            *("run", "-d", "--name", "balancer", "--network", "balanced"),
            *("-p", f"{PORTS['swarm-edge']}:8104", "-v", f"{self.folder}:/cfg:ro"),
            *("--entrypoint", "haproxy", artifact.tag(), "-f", "/cfg/haproxy.cfg"),
        )
        self.box.deployed(IMAGES[0])

    def by_run(self, version: str) -> None:
        """Do what a script of three lines does."""
        image = f"deploy-action-demo:{version}"
        self.docker("stop", "plain")
        self.docker("rm", "plain")
        self.docker("run", "-d", "--name", "plain", "-p", f"{PORTS['run']}:8080", image)

    def by_compose(self, version: str) -> None:
        """Change the tag, and bring it up."""
        environment = {**os.environ, "TAG": version, "DOCKER_HOST": self.host.docker}
        file = str(self.folder / "compose.yaml")
        argv = [str(self.compose), "-f", file, "up", "-d", "--wait"]
        seconds_of(argv, env=environment)

    def by_service(self, name: str, version: str) -> None:
        """Update, and wait until the swarm calls it converged."""
        update = ("service", "update", "-q", "--no-resolve-image")
        self.docker(*update, "--image", self.local(version), name)

    def by_us(self, version: str) -> None:
        """Deploy."""
        self.box.deployed(version)

    def replace(self, peer: str, act: Callable[[str], None], version: str) -> None:
        """Replace the application under load, and count."""
        probe = Probe(f"{self.url(peer)}/version", LOAD)
        probe.start()
        probe.wait(lambda seen: seen.ok >= AFTERWARDS)
        begun = time.perf_counter()
        act(version)
        took = time.perf_counter() - begun
        wait_until(
            lambda: _answers_of(probe.snapshot(), version) >= AFTERWARDS, f"{peer}: {version}"
        )
        seen = probe.stop()
        self.took.setdefault(peer, []).append(round(took, 4))
        self.sent[peer] = self.sent.get(peer, 0) + seen.sent
        self.lost[peer] = self.lost.get(peer, 0) + seen.lost


def _answers_of(seen: ProbeResult, version: str) -> int:
    return sum(found.answers for found in seen.versions if found.version == version)


def compose_program() -> Path:
    """Return Docker Compose 2, from Debian where it is not there yet."""
    program = ROOT / "build" / "docker-compose"
    if not program.exists():
        program.parent.mkdir(exist_ok=True)
        name = f"deploy-action-compose-{os.getpid()}"
        install = "apt-get update -qq && apt-get install -qq --no-install-recommends docker-compose"
        seconds_of(
            ["docker", "run", "--name", name, "debian:trixie-slim", "sh", "-c", install],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
        # It may be a link into the place for plugins.
        seconds_of(["docker", "cp", "-L", f"{name}:/usr/bin/docker-compose", str(program)])
        seconds_of(["docker", "rm", name])
    return program


def measure(rounds: int) -> Numbers:
    """Take turns."""
    with ExitStack() as undo:
        host = undo.enter_context(hosts(1)).hosts[0]
        host.load(*(f"deploy-action-demo:{image}" for image in IMAGES), artifact.tag())
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        (folder / "ours").mkdir()
        box = undo.enter_context(
            sandbox(folder / "ours", hosts=[host.docker], engine=host.docker, where=host.address)
        )
        compose = compose_program()
        course = Course(host=host, compose=compose, folder=folder, box=box)
        course.begin()
        ways: Mapping[str, Callable[[str], None]] = {
            "run": course.by_run,
            "compose": course.by_compose,
            "swarm": lambda version: course.by_service("plain", version),
            "swarm-edge": lambda version: course.by_service("balanced", version),
            "ours": course.by_us,
        }
        for turn in range(1, rounds + 1):
            for peer, act in ways.items():
                course.replace(peer, act, IMAGES[turn % 2])
        said = subprocess.run(
            [compose, "version", "--short"], check=True, capture_output=True, text=True
        )
    return {
        "rounds": rounds,
        "seconds": course.took,
        "sent": course.sent,
        "lost": course.lost,
        "compose": said.stdout.strip(),
    }


def section(numbers: Numbers) -> Iterator[str]:
    """Render the numbers as Markdown."""
    took, sent, lost = numbers["seconds"], numbers["sent"], numbers["lost"]
    yield (
        f"The shop of the demo, replaced {numbers['rounds']} times in each way, in turn, under "
        f"{LOAD.rate:.0f} requests a second by {LOAD.keep_alive} clients with kept connections, "
        f"{LOAD.new} with new ones and {LOAD.post} that post. The load runs from before the change "
        f"until {AFTERWARDS} answers of the new version. A refused or reset connection, a wrong or "
        "short answer, and every status other than 2xx count as lost."
    )
    yield ""
    rows = [
        [
            title,
            f"{sent[peer]:,}",
            f"**{lost[peer]:,}**",
            f"{lost[peer] / numbers['rounds']:.1f}",
            seconds(took[peer]),
        ]
        for peer, title in TITLES.items()
    ]
    head = ["", "sent", "lost", "lost per replacement", "time of the command, min / median / max"]
    yield from table(head, rows)
    yield (
        f"Compose is {numbers['compose']} from Debian, with `--wait` and a health check. The swarm "
        "has one node. By default it stops the old task first. With start-first, its routing mesh "
        "does not work on this kernel, which has no IPVS; instead an HAProxy finds the tasks through "
        "Docker's DNS, checks them every 100 ms and retries on another one. The time of the swarm "
        "includes 5 s in which it monitors the new task; that of deploy-action includes smoke tests, "
        "drain, ledger and 4 probe requests a second."
    )
    yield ""
    yield "![requests lost by tool](results/peers.svg)"
    yield ""


def good(numbers: Numbers) -> bool:
    """Return whether deploy-action lost nothing."""
    return bool(numbers["lost"]["ours"] == 0)


def pictures(numbers: Numbers) -> dict[str, str]:
    """Draw the losses per replacement."""
    rows = [
        Bar(
            name=title.replace("`", "").replace(", behind HAProxy", " + HAProxy"),
            values=[numbers["lost"][peer] / numbers["rounds"]],
            note=f"; the command takes {median(numbers['seconds'][peer]):.1f} s",
            ours=peer == "ours",
        )
        for peer, title in TITLES.items()
    ]
    return {
        "peers.svg": bars("Requests lost per replacement, at 200 a second", rows, shape="{:.0f}")
    }


BENCHMARK = Benchmark(
    name="peers",
    title="Compared with other tools",
    measure=measure,
    section=section,
    good=good,
    rounds=5,
    pictures=pictures,
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
