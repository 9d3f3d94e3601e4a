"""The action's container by itself: what it imports, when it is cancelled, and its ssh keys."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from tests.support.hosts import hosts
from tests.support.sandbox import Sandbox, docker, sandbox, until

from deploy_action import __version__

pytestmark = [pytest.mark.act, pytest.mark.docker]

IMAGE = f"deploy-action:{__version__}"
KILL_AFTER = 10.0  # seconds after the first signal of a cancelled run


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A container that is running the action."""

    name: str
    process: subprocess.Popen[str]

    def reads(self, words: str) -> None:
        """Read the log up to a line that has these words."""
        if self.process.stdout is None:
            raise AssertionError
        seen = ""
        while words not in seen:
            line = self.process.stdout.readline()
            assert line, seen
            seen += line

    def send(self, number: signal.Signals) -> None:
        """Send process 1 a signal."""
        docker("kill", "--signal", number.name, self.name)

    def ends(self, seconds: float = 60.0) -> tuple[int, str]:
        """Return the exit code, and what was said since the last look."""
        said, _ = self.process.communicate(timeout=seconds)
        return self.process.returncode, said


@contextlib.contextmanager
def started(box: Sandbox, *, network: str = "bridge", **inputs: str) -> Iterator[Step]:
    """Start the image as the runner does: workspace and socket mounted, inputs as variables."""
    name = f"test-action-{uuid4().hex[:8]}"
    given = {f"INPUT_{key.upper()}": value for key, value in inputs.items()}
    environ = {"GITHUB_WORKSPACE": "/github/workspace", "GITHUB_ACTOR": "ada", **given}
    process = subprocess.Popen(
        [
            *("docker", "run", "--rm", "--name", name, "--network", network),
            *("--workdir", "/github/workspace"),
            *("-v", "/var/run/docker.sock:/var/run/docker.sock"),
            *("-v", f"{box.directory}:/github/workspace"),
            *(part for key, value in environ.items() for part in ("-e", f"{key}={value}")),
            IMAGE,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        with process:
            yield Step(name=name, process=process)
    finally:
        if name in docker("ps", "-a", "--format", "{{.Names}}").split():
            docker("rm", "-f", name)


def test_no_module_of_the_workspace_is_imported(tmp_path: Path) -> None:
    """A pull request would otherwise run its code in the step, with the token of the job."""
    with sandbox(tmp_path) as box:
        for name in ("yaml", "tarfile", "deploy_action"):
            (box.directory / f"{name}.py").write_text(
                "raise SystemExit('a module of the workspace')"
            )
        with started(box, command="validate") as step:
            code, said = step.ends()
    assert code == 0, said
    assert "a module of the workspace" not in said


def test_process_one_ends_at_sigterm_before_it_has_begun_anything(tmp_path: Path) -> None:
    """A container that ignored it, waiting for somebody's lock, would be killed by the runner."""
    with sandbox(tmp_path) as box:
        holder = box.start("deploy", "--version", "1.0.0")
        try:
            until(box.lock_is_taken, "somebody deploys")
            holder.send_signal(signal.SIGSTOP)
            with started(box, command="deploy", version="2.0.0", **{"lock-wait": "5m"}) as step:
                step.reads("stop-commands")
                step.send(signal.SIGTERM)
                code, said = step.ends(KILL_AFTER)
        finally:
            holder.send_signal(signal.SIGCONT)
            holder.communicate(timeout=120)
        assert code in (4, 130), said
        assert "Traceback" not in said


def test_ssh_hosts_are_reached_with_the_keys_that_were_given(tmp_path: Path) -> None:
    """The inputs are enough to ask a host for its status; a host that shows another key than the
    known one is refused, and neither run says a line of the private key."""
    ends = {}
    with hosts(1) as machines, sandbox(tmp_path) as box:
        (machine,) = machines.hosts
        box.configure(environments={"production": {"hosts": [machine.url], "route": {"port": 80}}})
        key = (machines.directory / "key").read_text()
        public = " ".join((machines.directory / "key.pub").read_text().split()[:2])
        known = {
            "itself": (machines.directory / "known_hosts").read_text(),
            "stranger": f"{machine.address} {public}\n",
        }
        for name, keys in known.items():
            given = {"ssh-key": key, "ssh-known-hosts": keys}
            # The hosts' network is this machine's own; from Docker's bridge it is fenced off.
            with started(box, network="host", command="status", **given) as step:
                ends[name] = step.ends()

    code, said = ends["itself"]
    assert code == 0, said
    code, said = ends["stranger"]
    assert code == 4, said
    assert "host key" in said.lower()
    inner = [line for line in key.splitlines() if line and "PRIVATE KEY" not in line]
    for _, said in ends.values():
        shown = [line for line in said.splitlines() if not line.startswith("::add-mask::")]
        assert not any(secret in line for secret in inner for line in shown)
