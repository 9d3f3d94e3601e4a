"""Runs workflows under act, offline, against the engine of this machine.

The repository under test is handed to act as `org/deploy-action@v1`. Only lines of
one kind differ from what is shipped: `uses: $/` (this repository at the running commit), which act
does not know, is written as `uses: org/deploy-action@v1`, which act takes from the same copy.

act names its containers after workflow and job, and nothing else. So each process that tests gives
all workflows names of its own (`named_apart`); what it reads back has the names as they are shipped.

GitHub's own actions for artifacts and code scanning need GitHub and node. What stands in for them
only makes sure that the files are there, and says so.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy_action import __version__

__all__ = [
    "CHECKOUT",
    "ROOT",
    "Repository",
    "Run",
    "copy_of_this_repository",
    "named_apart",
    "stand_ins",
    "with_image",
]

ROOT = Path(__file__).parents[2]
CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
SELF, CALLED = "uses: $/", "uses: org/deploy-action@v1"
SELF_BUILD, CALLED_BUILD = "uses: $/build", "uses: org/deploy-action/build@v1"
_SECONDS = 600
_APART = f" {os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"

_BUILT = re.compile(r"^  image: (?:\.\./)?Dockerfile(?:\.(\w+))?", re.MULTILINE)

_NAMED = re.compile(r"^(name: .*)$", re.MULTILINE)
_PINNED = re.compile(r"uses: ([\w.-]+/[\w.-]+)((?:/[\w.-]+)*)@([0-9a-f]{40})")
_OF_ACT = "actions/checkout"
"""What act does by itself."""
_STAND_IN = """\
name: stand-in
description: makes sure that the file is there
inputs:
  name: {description: name, default: ""}
  path: {description: a file, default: ""}
  sarif_file: {description: a file, default: ""}
  category: {description: category, default: ""}
  if-no-files-found: {description: what then, default: ""}
  retention-days: {description: how long, default: ""}
runs:
  using: composite
  steps:
    - shell: bash
      run: |
        [[ -z $FILE || -s $FILE ]] && echo "stand-in keeps $NAME $FILE"
      env:
        FILE: ${{ inputs.path || inputs.sarif_file }}
        NAME: ${{ inputs.name || inputs.category }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What act said: its exit code, the log, and every command that a step gave."""

    exit_code: int
    events: tuple[Mapping[str, object], ...]
    text: str

    @property
    def log(self) -> str:
        """What the steps printed."""
        return "\n".join(str(event.get("msg", "")) for event in self.events)

    def said(self, job: str) -> str:
        """Return what the steps of one job printed."""
        return "\n".join(str(e.get("msg", "")) for e in self.events if _job(e) == job)

    def annotations(self, level: str) -> list[Mapping[str, object]]:
        """Return the `error`, `warning` or `notice` commands with their properties."""
        return [e for e in self.events if e.get("command") == level]

    def results(self) -> dict[str, str]:
        """Return how each job that ran ended, by its name."""
        ended = (e for e in self.events if e.get("jobResult"))
        return {_job(e): str(e["jobResult"]) for e in ended}

    def outputs(self, job: str = "") -> dict[str, str]:
        """Return every output that a step set, the last one of a name winning."""
        return {
            str(e["name"]): str(e["arg"])
            for e in self.events
            if e.get("command") == "set-output" and (not job or _job(e) == job)
        }


def copy_of_this_repository(target: Path) -> Path:
    """Copy what git tracks (and what it does not know yet), with the one rewritten line and the base image by its name."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    for name in filter(None, listed):
        source, destination = ROOT / name, target / name
        if not source.exists() and not source.is_symlink():
            continue
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, destination, follow_symlinks=False)
    for workflow in (target / ".github/workflows").glob("*.yml"):
        text = workflow.read_text()
        for ours, theirs in ((SELF, CALLED), (SELF_BUILD, CALLED_BUILD)):
            text = re.sub(rf"^( *){re.escape(ours)}$", rf"\1{theirs}", text, flags=re.MULTILINE)
        workflow.write_text(named_apart(workflow.name, text))
    # No registry is needed here: scripts/ensure-base provides the image.
    for recipe in target.glob("Dockerfile*"):
        recipe.write_text(
            re.sub(r"^(FROM \S+)@sha256:\S+", r"\1", recipe.read_text(), flags=re.MULTILINE)
        )
    subprocess.run(["git", "init", "-q", str(target)], check=True)
    return target


def named_apart(file: str, text: str) -> str:
    """Return a workflow with a name that no other process uses."""
    named, count = _NAMED.subn(rf"\1{_APART}", text, count=1)
    return named if count else f"name: {file}{_APART}\n{text}"


def with_image(copy: Path) -> Path:
    """Let the actions of a copy name an image, as a release does: those of scripts/ensure-images."""
    for file in (copy / "action.yml", *copy.glob("*/action.yml")):
        text, count = _BUILT.subn(_image, file.read_text())
        assert count == 1, file
        file.write_text(text)
    return copy


def _image(built: re.Match[str]) -> str:
    name = "-".join(filter(None, ("deploy-action", built[1])))
    return f"  image: docker://{name}:{__version__}"


def stand_ins(target: Path) -> dict[str, Path]:
    """Make a repository for each action of others that our workflows use."""
    made = {}
    for workflow in sorted((ROOT / ".github/workflows").glob("*.yml")):
        for name, below, commit in _PINNED.findall(workflow.read_text()):
            if name == _OF_ACT:
                continue
            folder = target / name.replace("/", "-")
            (folder / below.lstrip("/")).mkdir(parents=True, exist_ok=True)
            (folder / below.lstrip("/") / "action.yml").write_text(_STAND_IN)
            made[f"{name}@{commit}"] = folder
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository of somebody who uses the action."""

    path: Path
    action: Path
    secrets: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, Path] = field(default_factory=dict)
    """Repositories that its workflows call besides: name@ref to a folder."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the runner's environment has besides."""
    runner: str = "debian:trixie-slim"
    """The image in which the jobs run."""

    def write(self, name: str, text: str) -> Path:
        """Write a file."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        workflow = file.parent == self.path / ".github/workflows"
        file.write_text(named_apart(file.name, text) if workflow else text)
        return file

    def run(
        self,
        workflow: str,
        *,
        event: str = "push",
        inputs: Mapping[str, str] | None = None,
        payload: Mapping[str, object] | None = None,
        ended: Mapping[str, Callable[[], object]] | None = None,
    ) -> Run:
        """Run one workflow file of the repository with act.

        Secrets are handed over in a file, so that they are not in the process list.

        Args:
            payload: what GitHub would say of the event.
            ended: what happens in the world as soon as a job has ended, by the job's name.
        """
        if not (self.path / ".git").exists():
            self.commit("first")
        secrets = self.path / ".git" / "secrets"
        secrets.write_text("".join(f"{k}={json.dumps(v)}\n" for k, v in self.secrets.items()))
        argv = [
            *("act", event, "-W", f".github/workflows/{workflow}"),
            *("-P", f"ubuntu-latest={self.runner}", "--pull=false", "--no-cache-server"),
            *("--rm", "--network", "bridge", "--json", "--secret-file", str(secrets)),
            *("--action-cache-path", str(self.path / ".git" / "actions")),
            *("--local-repository", f"org/deploy-action@v1={self.action}"),
        ]
        known = stand_ins(self.path / ".git" / "stand-ins")
        for name, folder in {**known, **self.others}.items():
            argv += ["--local-repository", f"{name}={folder}"]
        if payload is not None:
            event_file = self.path / ".git" / "event.json"
            event_file.write_text(json.dumps(payload))
            argv += ["--eventpath", str(event_file)]
        for name, value in (inputs or {}).items():
            argv += ["--input", f"{name}={value}"]
        for name, value in self.variables.items():
            argv += ["--env", f"{name}={value}"]
        path = f"{os.environ['PATH']}:{Path.home()}/go/bin"
        with subprocess.Popen(
            argv,
            cwd=self.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PATH": path, "DOCKER_BUILDKIT": "0"},
        ) as process:
            late = threading.Timer(_SECONDS, process.kill)
            late.start()
            try:
                lines = list(_heard(process, ended or {}))
            finally:
                late.cancel()
        return Run(
            exit_code=process.returncode,
            events=tuple(_event(line) for line in lines),
            text="".join(lines),
        )

    def commit(self, message: str) -> str:
        """Commit all that is there, and return the commit's id."""
        if not (self.path / ".git").exists():
            self._git("init", "-q", "-b", "main")
            self._git("remote", "add", "origin", "https://github.com/acme/shop.git")
        self._git("add", "-A")
        self._git("commit", "-q", "-m", message)
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *argv: str) -> str:
        identity = ["-c", "user.name=dev", "-c", "user.email=dev@example.com"]
        return subprocess.run(
            ["git", *identity, *argv], cwd=self.path, check=True, stdout=subprocess.PIPE, text=True
        ).stdout


def _heard(
    process: subprocess.Popen[str], ended: Mapping[str, Callable[[], object]]
) -> Iterator[str]:
    """Yield what act says, and do what is to be done when a job has ended."""
    if process.stdout is None:
        raise AssertionError
    for line in process.stdout:
        event = _event(line)
        job = _job(event).rpartition("/")[2]
        if event.get("jobResult") and job in ended:
            ended[job]()
        yield line


def _job(event: Mapping[str, object]) -> str:
    """Return the job's name as it is shipped, without the blanks that act puts behind it."""
    return str(event.get("job", "")).replace(_APART, "").strip()


def _event(line: str) -> Mapping[str, object]:
    try:
        event: Mapping[str, object] = json.loads(line)
    except ValueError:
        return {"msg": line}
    return event
