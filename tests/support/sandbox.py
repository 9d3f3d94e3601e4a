"""A deployment of one's own on this machine's engine: files, command, load, and a clean end."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from tests.load_probe import Load, Probe, ProbeResult

from deploy_action.rollout.step import StepId

__all__ = [
    "Finished",
    "Sandbox",
    "await_event",
    "await_step",
    "counting",
    "docker",
    "free_port",
    "kill_group",
    "sandbox",
    "until",
]

_ENDING_SECONDS = 3.0
_COUNTED: list[ProbeResult] = []

SHOP: Mapping[str, Any] = {
    "version": 1,
    "service": "shop",
    "image": "deploy-action-demo",
    "port": 8080,
    "pull": "never",
    "health": {"path": "/healthz", "deadline": "10s", "identity": {"header": "X-Version"}},
    "smoke": [{"name": "home", "path": "/", "status": 200, "retry": {"deadline": "1s"}}],
    "stop": {"timeout": "3s", "drain": "8s"},
    "watch": "0s",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a command ended."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The document that `--json` prints."""
        document: dict[str, Any] = json.loads(self.out)
        return document

    @property
    def text(self) -> str:
        """All that was said, for a failed assertion."""
        return f"exit {self.exit_code}\n{self.out}\n{self.err}"


@dataclass(slots=True, kw_only=True)
class Sandbox:
    """One repository, one edge, one port."""

    directory: Path
    edge: str
    port: int
    config: dict[str, Any]
    environ: dict[str, str] = field(default_factory=dict)
    engine: str = ""
    """DOCKER_HOST of the engine to look at, where it is not this machine's own."""
    where: str = "127.0.0.1"
    """Address at which that engine's edge is reached."""
    ask: Callable[[str], str] = field(default_factory=lambda: _ask_the_shop)
    """Learns from the service at a URL which version it is."""

    @property
    def url(self) -> str:
        """Where production is reached."""
        return f"http://{self.where}:{self.port}"

    @property
    def network(self) -> str:
        """Name of production's network."""
        return f"{self.edge}_{self.config['service']}_production"

    def docker(self, *argv: str) -> str:
        """Run a docker command against this sandbox's engine."""
        return docker(*argv, host=self.engine)

    def configure(self, **changes: Any) -> None:
        """Change top-level keys of deploy.yaml; None removes one."""
        for key, value in changes.items():
            if value is None:
                self.config.pop(key, None)
            else:
                self.config[key] = value
        (self.directory / "deploy.yaml").write_text(yaml.safe_dump(self.config))

    def start(self, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        return subprocess.Popen(
            [sys.executable, "-m", "deploy_action", *argv],
            cwd=self.directory,
            env={**os.environ, **self.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *argv: str, env: Mapping[str, str] | None = None, json: bool = True) -> Finished:
        """Run a command to its end."""
        flags = ["--json"] if json else []
        process = self.start(argv[0], *flags, *argv[1:], env=env)
        out, err = process.communicate(timeout=240)
        return Finished(exit_code=process.returncode, out=out, err=err)

    def deploy(self, version: str, *argv: str, env: Mapping[str, str] | None = None) -> Finished:
        """Deploy a version."""
        return self.run("deploy", "--version", version, *argv, env=env)

    def inside(self, script: str) -> str:
        """Run a shell script in the serving container."""
        return docker("exec", self.serving_containers()[0], "sh", "-c", script)

    def deployed(self, version: str) -> None:
        """Deploy a version, which has to succeed: where a test begins."""
        done = self.deploy(version)
        assert done.exit_code == 0, done.text

    def history(self) -> list[dict[str, Any]]:
        """Return the ledger, newest first."""
        entries: list[dict[str, Any]] = self.run("history").json["deployments"]
        return entries

    def serving(self) -> str:
        """Ask the service itself, through the edge."""
        return self.ask(self.url)

    @contextlib.contextmanager
    def load(self, **shape: Any) -> Iterator[Callable[[], ProbeResult]]:
        """Send requests all the while; afterwards the call returns what became of them."""
        wanted = {"keep_alive": 4, "new": 2, "post": 1, "rate": 150.0} | shape
        load = Load(version_header="X-Version", allow_remote=bool(self.engine), **wanted)
        probe = Probe(f"{self.url}/version", load)
        probe.start()
        probe.wait(lambda seen: seen.ok >= 10)
        try:
            yield probe.stop
        finally:
            _COUNTED.append(probe.stop())

    @contextlib.contextmanager
    def unbroken(self, **shape: Any) -> Iterator[None]:
        """Send requests all the while, and lose none."""
        with self.load(**shape) as stop:
            yield
            seen = stop()
        assert seen.lost == 0, f"{seen} {seen.examples}"

    def containers(self, role: str = "replica", *, all: bool = True) -> list[str]:
        """Names of our containers in a role, stopped ones too unless told otherwise."""
        argv = ["ps", "--format", "{{.Names}}"] + (["-a"] if all else [])
        labels = [f"deploy-action.edge={self.edge}", f"deploy-action.kind={role}"]
        filters = [part for label in labels for part in ("--filter", f"label={label}")]
        return self.docker(*argv, *filters).split()

    def serving_containers(self) -> list[str]:
        """Names of the replicas that run, once those have ended that were asked to."""
        until(lambda: "no" not in self._restart_policies(), "the end of what left")
        return self.containers(all=False)

    def _restart_policies(self) -> list[str]:
        names = self.containers(all=False)
        policy = ("inspect", "-f", "{{.HostConfig.RestartPolicy.Name}}")
        return self.docker(*policy, *names).split() if names else []

    def lock_is_free(self) -> bool:
        """Tell whether nobody holds the lock, or its container is on its way out by itself."""
        deadline = time.monotonic() + _ENDING_SECONDS
        while self.containers("lock", all=False):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def lock_is_taken(self) -> bool:
        """Tell whether there is a lock now; of a command before, it may still be on its way out."""
        return bool(self.containers("lock", all=False))

    def clean(self) -> None:
        """Take everything of this sandbox away, and nothing else."""
        label = f"label=deploy-action.edge={self.edge}"
        found = self.docker("ps", "-aq", "--filter", label).split()
        release = '{{.Label "deploy-action.release"}}'
        listed = self.docker("ps", "-a", "--filter", label, "--format", release).split()
        if found:
            # One of them may be on its way out by itself.
            with contextlib.suppress(subprocess.CalledProcessError):
                self.docker("rm", "-fv", *found)
        until(lambda: not self.docker("ps", "-aq", "--filter", label), "all containers are gone")
        names = self.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        kept = [name for name in names if name.rpartition(":deploy-action-")[2] in listed]
        if kept:
            self.docker("rmi", *kept)
        networks = ("network", "ls", "--format", "{{.Name}}", "--filter", label)
        volumes = ("volume", "ls", "--format", "{{.Name}}", "--filter", f"name=^{self.edge}$")
        for kind in (networks, volumes):
            # The engine lets go of them a moment after the last container.
            until(functools.partial(self._without, kind), f"what {kind} lists is gone")

    def _without(self, listed: Sequence[str]) -> bool:
        """Remove what a command lists; tell whether it lists nothing any more."""
        for name in self.docker(*listed).split():
            with contextlib.suppress(subprocess.CalledProcessError):
                self.docker(listed[0], "rm", name)
        return not self.docker(*listed)

    def assert_survived(
        self,
        done: Finished,
        *,
        serves: str,
        seen: ProbeResult | None = None,
        exit_code: int = 4,
        code: str = "",
        says: Sequence[str] = (),
        recorded: bool = True,
    ) -> None:
        """Hold a failure against what is true of every failure.

        The old release serves, nothing was lost, the exit code and the ledger say what happened,
        the lock is free, no candidate is left, and the message says what to do.

        Args:
            code: the error's identifier.
            says: values that the message must name, such as a host, a version or a number.
        """
        assert done.exit_code == exit_code, done.text
        for words in says:
            assert words.lower() in done.text.lower(), f"{words!r} is not said:\n{done.text}"
        if seen is not None:
            assert seen.lost == 0, f"{seen}\n{seen.examples}\n{done.text}"
            assert seen.ok > 0
        assert self.serving() == serves
        # It ends with its holder, a moment later.
        until(self.lock_is_free, "the lock is free", 5.0)
        history = self.history()
        good = {e["release"]["version"] for e in history if e["state"] == "succeeded"}
        left = [name for name in self.containers() if not any(f"_{v}_" in name for v in good)]
        assert left == [], f"left behind: {left}"
        if recorded:
            assert history[0]["state"] == "failed", history[0]
            assert history[0]["cause"]
            assert history[0]["step"], history[0]
        problem = done.json["error"]
        if code:
            assert problem["code"] == code, done.text
        assert problem["what"], done.text
        assert problem["remedy"], f"nothing says what to do:\n{done.text}"


@contextlib.contextmanager
def sandbox(
    directory: Path,
    *,
    hosts: Sequence[str] = (),
    engine: str = "",
    where: str = "127.0.0.1",
    **changes: Any,
) -> Iterator[Sandbox]:
    """Make a sandbox that deploys the demo's shop to production, on this machine by default.

    Args:
        hosts: other hosts, as deploy.yaml names them.
        engine: DOCKER_HOST by which the first of them is looked at.
        where: its address.
    """
    edge, port = f"test-{uuid4().hex[:8]}", free_port()
    production = {"url": f"http://{where}:{port}"} | ({"hosts": [*hosts]} if hosts else {})
    config = json.loads(json.dumps(SHOP)) | {
        "edge": {"name": edge},
        "environments": {"production": production},
    }
    box = Sandbox(
        directory=directory, edge=edge, port=port, config=config, engine=engine, where=where
    )
    box.configure(**changes)
    try:
        yield box
    finally:
        box.clean()


def _ask_the_shop(url: str) -> str:
    with urllib.request.urlopen(f"{url}/version", timeout=10) as answer:
        return str(answer.headers["X-Version"])


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def docker(*argv: str, host: str = "") -> str:
    """Run a docker command and return what it printed."""
    command = ["docker", *(("-H", host) if host else ()), *argv]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def counting() -> Iterator[list[ProbeResult]]:
    """Collect what every load of every sandbox counts meanwhile."""
    _COUNTED.clear()
    yield _COUNTED


def kill_group(process: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    """Send a signal to a started command and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def await_event(
    process: subprocess.Popen[str], event: str, *, times: int = 1, **fields: str
) -> None:
    """Read the progress of a command started with `--progress-json` up to an event.

    Args:
        times: which of the events that have these fields is meant.
    """
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        happened = json.loads(line)
        if {"event": event, **fields}.items() <= happened.items():
            times -= 1
            if times == 0:
                return
    pytest.fail(f"{event} {fields} did not happen:\n{''.join(said)}\n{process.communicate()[0]}")


def await_step(
    process: subprocess.Popen[str], step: StepId, *, times: int = 1, **fields: str
) -> None:
    """Read the progress up to the beginning of a step."""
    await_event(process, "step-started", step=step, times=times, **fields)


def until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)
