"""The action's container by itself, as the runner starts it: process 1, signals, a cancelled run."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from uuid import uuid4

import pytest
from tests.support.sandbox import Sandbox, docker, sandbox, until

from deploy_action import __version__

pytestmark = [pytest.mark.act, pytest.mark.docker]

IMAGE = f"deploy-action:{__version__}"
KILL_AFTER = 10.0  # seconds after the first signal of a cancelled run


def start(box: Sandbox, name: str, **inputs: str) -> subprocess.Popen[str]:
    """Start the image as the runner does: workspace and socket mounted, inputs as variables."""
    given = {f"INPUT_{key.upper()}": value for key, value in inputs.items()}
    environ = {"GITHUB_WORKSPACE": "/github/workspace", "GITHUB_ACTOR": "ada", **given}
    return subprocess.Popen(
        [
            *("docker", "run", "--rm", "--name", name, "--workdir", "/github/workspace"),
            *("-v", "/var/run/docker.sock:/var/run/docker.sock"),
            *("-v", f"{box.directory}:/github/workspace"),
            *(part for key, value in environ.items() for part in ("-e", f"{key}={value}")),
            IMAGE,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_run_is_undone_in_time(tmp_path: Path, number: signal.Signals) -> None:
    """The old release serves, nothing was lost, the ledger knows, and all of that before GitHub's
    SIGKILL comes ten seconds after the first signal."""
    with sandbox(tmp_path) as box:
        box.deployed("1.0.0")
        box.configure(bake="60s")
        name = f"test-action-{uuid4().hex[:8]}"
        with box.load() as stop:
            process = start(box, name, command="deploy", version="2.0.0")
            until(lambda: box.serving() == "2.0.0", "2.0.0 serves and is being watched")
            asked = time.monotonic()
            docker("kill", "--signal", number.name, name)
            said, _ = process.communicate(timeout=60)
            took = time.monotonic() - asked
            seen = stop()

        assert took < KILL_AFTER, said
        assert process.returncode == 4, said
        assert box.serving() == "1.0.0"
        assert seen.lost == 0, seen
        latest = box.history()[0]
        assert (latest["state"], latest["actor"]) == ("failed", "ada")
        assert box.lock_is_free()


def test_process_one_ends_at_sigterm_before_it_has_begun_anything(tmp_path: Path) -> None:
    """A container that ignored it would keep the runner waiting for its kill."""
    with sandbox(tmp_path) as box:
        holder = box.start("deploy", "--version", "1.0.0")
        name = f"test-action-{uuid4().hex[:8]}"
        until(lambda: not box.lock_is_free(), "somebody deploys")
        holder.send_signal(signal.SIGSTOP)
        try:
            process = start(box, name, command="deploy", version="2.0.0", **{"lock-wait": "5m"})
            if process.stdout is None:
                raise AssertionError
            until(
                lambda: docker("ps", "-q", "--filter", f"name={name}") != "", "the container runs"
            )
            line = ""
            while "stop-commands" not in line:
                line = process.stdout.readline()
                assert line
            docker("kill", "--signal", "TERM", name)
            said, _ = process.communicate(timeout=KILL_AFTER)
        finally:
            holder.send_signal(signal.SIGCONT)
            holder.communicate(timeout=120)
        assert process.returncode in (4, 130), said
        assert "Traceback" not in said
