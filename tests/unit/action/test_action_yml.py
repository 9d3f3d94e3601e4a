"""The action's entry point as a process, with the environment that a runner gives it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy_action import __version__

ROOT = Path(__file__).parents[3]
VALID = "version: 1\nservice: shop\nimage: ghcr.io/acme/shop\nport: 8080\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a step left behind."""

    exit_code: int
    log: list[str]
    outputs: str
    summary: str


def environment(directory: Path, inputs: Mapping[str, str]) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "src"),
        "GITHUB_WORKSPACE": str(directory),
        "GITHUB_OUTPUT": str(directory / "output"),
        "GITHUB_STEP_SUMMARY": str(directory / "summary"),
        **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
    }


def step(
    directory: Path, *, config: str = VALID, env: Mapping[str, str] | None = None, **inputs: Any
) -> Step:
    (directory / "deploy.yaml").write_text(config)
    names = {name.replace("_", "-"): value for name, value in inputs.items()}
    done = subprocess.run(
        [sys.executable, "-m", "deploy_action.action"],
        cwd=directory,
        env=environment(directory, names) | dict(env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    read = {
        name: path.read_text() if (path := directory / name).exists() else ""
        for name in ("output", "summary")
    }
    return Step(
        exit_code=done.returncode,
        log=done.stdout.splitlines(),
        outputs=read["output"],
        summary=read["summary"],
    )


def test_a_step_says_at_once_that_it_runs(tmp_path: Path) -> None:
    """Before Python imports what reads deploy.yaml, which takes longer than the container's start."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "deploy_action.action"],
        cwd=tmp_path,
        env=environment(tmp_path, {"command": "validate"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    before, said, _ = done.stdout.partition(f"deploy-action {__version__}\n")
    assert said
    assert "deploy_action" in before
    assert "deploy_action.config" not in before


@pytest.mark.parametrize("dockerfile", ["Dockerfile", "Dockerfile.build"])
def test_the_container_imports_nothing_of_the_workspace(dockerfile: str) -> None:
    """-I: neither the working directory, which may be a pull request's, nor PYTHONPATH of the job."""
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", (ROOT / dockerfile).read_text(), re.MULTILINE)
    _, *arguments = json.loads(entry)
    assert arguments == ["-I", "-m", "deploy_action.action"]


def test_masks_come_before_anything_else(tmp_path: Path) -> None:
    """Every secret is known to the runner before the first line that could hold one."""
    done = step(
        tmp_path,
        config=VALID + "secrets: [TOKEN]\n",
        env={"TOKEN": "from-env"},
        command="validate",
        secrets="OTHER=from-input",
        github_token="from-github",
    )
    assert done.exit_code == 0, done.log
    masks = [line for line in done.log if line.startswith("::add-mask::")]
    assert done.log[: len(masks) + 1] == [f"deploy-action {__version__}", *masks]
    assert {line.rpartition("::")[2] for line in masks} == {"from-env", "from-input", "from-github"}


def test_a_valid_configuration_is_a_good_end(tmp_path: Path) -> None:
    """Exit 0, the outcome as an output, a page, no annotation."""
    done = step(tmp_path, command="validate")
    assert done.exit_code == 0, done.log
    assert "outcome<<" in done.outputs
    assert "\nvalid\n" in done.outputs
    assert "the configuration is valid" in done.summary
    assert not any(line.startswith("::error") for line in done.log)


def test_problems_are_annotated_and_overflow_into_the_page(tmp_path: Path) -> None:
    """Ten at their lines, the others on the page; the step fails with 2."""
    wrong = "".join(f"unknown{i}: 1\n" for i in range(14))
    done = step(tmp_path, config=VALID + wrong, command="validate")
    assert done.exit_code == 2
    errors = [line for line in done.log if line.startswith("::error")]
    assert len(errors) == 10
    assert all("file=deploy.yaml" in line and "line=" in line for line in errors)
    assert "unknown13" in done.summary


def test_what_the_configuration_says_is_no_command(tmp_path: Path) -> None:
    """A value that is quoted in the log stands where commands are stopped, or is escaped."""
    done = step(tmp_path, config=VALID + "'::set-output name=x::y': 1\n", command="validate")
    tokens = [line.split("::")[2] for line in done.log if line.startswith("::stop-commands::")]
    stopped = ""
    for line in done.log:
        if line.startswith("::stop-commands::"):
            stopped = line.split("::")[2]
        elif stopped and line == f"::{stopped}::":
            stopped = ""
        elif not stopped:
            assert "::set-output name=x::" not in line or line.startswith("::error ")
    assert tokens
    assert stopped == ""


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"command": "destroy"}, "not one of"),
        ({"command": "validate", "dry-run": "perhaps"}, "dry-run"),
        ({"command": "validate", "secrets": "tr0ub4dor"}, "line 1"),
        ({"command": "validate", "ssh-key": "sesame"}, "ssh-known-hosts"),
    ],
)
def test_a_bad_input_is_an_outcome(tmp_path: Path, inputs: dict[str, Any], words: str) -> None:
    """It ends with 2, one annotation, outputs and a page, like every other refusal."""
    done = step(tmp_path, **inputs)
    assert done.exit_code == 2
    errors = [line for line in done.log if line.startswith("::error")]
    assert len(errors) == 1
    assert words in errors[0]
    assert "\ninvalid\n" in done.outputs
    assert words.replace("-", "") in done.summary.replace("\\", "").replace("-", "")


def test_findings_are_written_for_code_scanning(tmp_path: Path) -> None:
    """`sarif-file` gets what the gates found, in a folder that need not be there."""
    (tmp_path / "app.py").write_text("import pickle\npickle.loads(b'')\n")
    gates = "gates: {bandit: {paths: [app.py], severity: low}}\n"
    done = step(tmp_path, config=VALID + gates, command="check", sarif_file="out/bandit.sarif")
    assert done.exit_code == 3, done.log
    (run,) = json.loads((tmp_path / "out/bandit.sarif").read_text())["runs"]
    assert any(result["ruleId"] == "B301" for result in run["results"])
    assert any("file=app.py" in line and "line=2" in line for line in done.log)


def test_a_bug_is_told_without_its_message(tmp_path: Path) -> None:
    """An unforeseen exception may quote a secret: exit 1, the place only, commands on again."""
    broken = {"GITHUB_OUTPUT": "/nonexistent/folder/output"}
    done = step(tmp_path, command="validate", env=broken)
    assert done.exit_code == 1
    assert "/nonexistent" not in "\n".join(done.log)
    assert any("a bug" in line for line in done.log)
    stops = [line.split("::")[2] for line in done.log if line.startswith("::stop-commands::")]
    assert all(f"::{token}::" in done.log for token in stops)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_step_ends(tmp_path: Path, number: signal.Signals) -> None:
    """Either signal ends a command that only looks at once, cleanly, though Python is process 1."""
    (tmp_path / "src").mkdir()
    for index in range(300):
        (tmp_path / f"src/m{index}.py").write_text("x = [1, 2, 3]\n" * 2000)
    (tmp_path / "deploy.yaml").write_text(VALID + "gates: {bandit: {paths: [src]}}\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy_action.action"],
        cwd=tmp_path,
        env=environment(tmp_path, {"command": "check"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if process.stdout is None:
        raise AssertionError
    seen = ""
    while "running the gates" not in seen:
        line = process.stdout.readline()
        assert line, seen
        seen += line
    process.send_signal(number)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 130, seen + rest
    assert "::error title=cancelled" in rest
    assert "Traceback" not in rest
