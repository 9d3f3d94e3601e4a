"""The action's image as a runner starts it, and what becomes of a deployment that is cancelled."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.fakes.github_server import TOKEN, FakeGitHub
from tests.support.sandbox import Sandbox, sandbox

from deploy_action import __version__

pytestmark = [pytest.mark.act, pytest.mark.docker]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Sandbox]:
    """A shop whose 1.0.0 serves, and that watches a new release for a minute."""
    with sandbox(tmp_path) as box:
        box.deployed("1.0.0")
        box.configure(bake="60s")
        yield box


def _started(
    shop: Sandbox, github: FakeGitHub | None = None, **inputs: str
) -> subprocess.Popen[str]:
    """Start the image as GitHub's runner does: no terminal, a bridge network, no init process.

    The signals of a cancelled workflow reach `docker run`, which hands them to process 1.
    https://github.com/actions/runner/blob/main/src/Runner.Worker/Container/DockerCommandManager.cs
    """
    variables = {
        "GITHUB_WORKSPACE": "/github/workspace",
        "GITHUB_OUTPUT": "/github/workspace/output",
        "GITHUB_STEP_SUMMARY": "/github/workspace/page.md",
        "GITHUB_ACTOR": "ada",
        **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
    }
    if github is not None:
        variables |= {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": github.url,
            "GITHUB_REPOSITORY": github.repository,
            "GITHUB_SHA": github.commits[0],
            "INPUT_GITHUB-TOKEN": TOKEN,
        }
    return subprocess.Popen(
        [
            *("docker", "run", "--rm", "--name", f"{shop.edge}-step-{uuid4().hex[:8]}"),
            *("--workdir", "/github/workspace", "-v", f"{shop.directory}:/github/workspace"),
            *("-v", "/var/run/docker.sock:/var/run/docker.sock"),
            *(part for pair in variables.items() for part in ("-e", "=".join(pair))),
            f"deploy-action:{__version__}",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _until_said(process: subprocess.Popen[str], words: str) -> str:
    """Read the log up to a line that holds these words."""
    if process.stdout is None:
        raise AssertionError
    log = ""
    for line in process.stdout:
        log += line
        if words in line:
            return log
    pytest.fail(f"{words!r} was never said:\n{log}")


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_step_goes_back_within_the_time_that_a_runner_gives(
    shop: Sandbox, github: FakeGitHub, first: signal.Signals
) -> None:
    """Process 1 takes the signal, undoes the deployment under load, and tells the next step so;
    GitHub's record has it too.

    GitHub sends SIGINT, 7.5 s later SIGTERM and 2.5 s after that SIGKILL; a runner of one's own
    may begin with SIGTERM.
    """
    with shop.load() as stop:
        process = _started(shop, github, command="deploy", version="2.0.0")
        log = _until_said(process, "through the edge")
        assert shop.serving() == "2.0.0"
        begun = time.monotonic()
        process.send_signal(first)
        rest, _ = process.communicate(timeout=10)
        took = time.monotonic() - begun
        seen = stop()
    assert process.returncode == 4, log + rest
    assert took < 7.5, "SIGTERM would have come into the way back"
    assert seen.lost == 0, f"{seen} {seen.examples}\n{log}{rest}"
    assert shop.serving() == "1.0.0"
    assert shop.lock_is_free()
    newest = shop.history()[0]
    assert (newest["state"], newest["actor"]) == ("failed", "ada")
    assert len(shop.containers()) == 1
    outputs = (shop.directory / "output").read_text()
    assert "\nfailed\n" in outputs
    assert github.states(100) == ["in_progress", "failure"]
    assert TOKEN not in (log + rest).replace(f"::add-mask::{TOKEN}", "")
    assert "stopped by" in (shop.directory / "page.md").read_text()


def test_a_command_that_only_looks_ends_at_once_when_it_is_cancelled(shop: Sandbox) -> None:
    """Python as process 1 would ignore SIGTERM; the step must not wait for SIGKILL."""
    shop.configure(gates={"bandit": {"paths": ["src"]}})
    (shop.directory / "src").mkdir()
    for index in range(400):
        (shop.directory / f"src/m{index}.py").write_text("x = [1, 2, 3]\n" * 2000)
    process = _started(shop, command="check")
    log = _until_said(process, "running the gates")
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=10)
    assert process.returncode == 130, log + rest
    assert time.monotonic() - begun < 5
    assert "::error title=cancelled::" in rest
    assert "Traceback" not in log + rest
