"""A canary in every secret: whatever a command says, stores, sends or starts, none is in it."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from tests.fakes.application import Application
from tests.fakes.github_server import FakeGitHub, serving
from tests.fakes.machine import FakeContainer
from tests.fakes.process import Fault, Process
from tests.fakes.world import World, make_world

from deploy_action.action import main as action
from deploy_action.cli.main import main

FILE = "/run/secrets/canary"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\ncanarySshKeyLine1xyz\ncanarySshKeyLine2xyz\n-----END-----\n"
CANARIES = {
    "VARIABLE": 'canary "var"/+&<1>ü',
    "IN_FILE": "canary-in-file-7351\n second line 7351",
    "WORD": "canaryword7351",
    "REGISTRY_PASSWORD": "canary-registry-7351",
    "GITHUB_TOKEN": "ghs_canaryTokenOfGithub7351",
    "DEPLOY_PROOF_KEY": "canary-proof-key-of-more-than-32-characters",
}


def forms(value: str) -> Iterator[str]:
    """Return what programs make of a value."""
    data = value.encode()
    yield value
    yield json.dumps(value)[1:-1]
    yield quote_plus(value)
    yield data.hex()
    for before in range(3):
        yield base64.b64encode(b"x" * before + data).decode()
    yield from (line.strip() for line in value.splitlines())


NEEDLES = {
    # What stands beside a secret is encoded together with its ends.
    text.rstrip("=")[4:-4]
    for value in (*CANARIES.values(), *KEY.splitlines()[1:3])
    for form in forms(value)
    for text in (form, re.sub(r"\s", "", form))
}


def words() -> tuple[str, ...]:
    """Return what an application says that quotes all of its secrets in every way."""
    said = [form for value in CANARIES.values() for form in forms(value)]
    wrapped = [text[i : i + 5] for text in said for i in range(0, len(text), 5)]
    return (*" ".join(said).splitlines(), *wrapped)


@dataclass(slots=True, kw_only=True)
class Stage:
    """A world, GitHub, and all that was written or sent so far."""

    world: World
    github: FakeGitHub
    environ: dict[str, str]
    directory: Path
    texts: list[tuple[str, str]] = field(default_factory=list)

    def run(self, *argv: str, process: Process | None = None) -> int:
        """Run the command line; what dies on the way says nothing more."""
        self.world.process = process or Process()
        out, err = io.StringIO(), io.StringIO()
        try:
            return main(argv, environ=self.environ, stdout=out, stderr=err)
        finally:
            self.world.process.ended()
            said = "says" if argv[0] in ("run", "logs") else "reports"
            self.texts += [(f"{argv} {said}", stream.getvalue()) for stream in (out, err)]

    def step(self, **inputs: str) -> int:
        """Run the action; its masks are the one place where a secret has to be named."""
        self.world.process = Process()
        log = io.StringIO()
        inputs |= {"ssh_key": KEY, "ssh_known_hosts": "host ssh-ed25519 AAAA"}
        named = {f"INPUT_{name.upper().replace('_', '-')}": text for name, text in inputs.items()}
        code = action.main(self.environ | named, log, log)
        self.world.process.ended()
        masks = re.compile(r"^::add-mask::.*$", re.MULTILINE)
        self.texts.append((f"step {inputs.get('command')}", masks.sub("", log.getvalue())))
        return code

    def leaks(self) -> list[str]:
        """Search everything."""
        return [
            f"{where}: {needle}"
            for where, text in (*self.texts, *self._stored())
            for needle in NEEDLES
            # `run` and `logs` pass lines on as they come: what is wrapped is not found there.
            if needle in (text if "says" in where else re.sub(r"\s", "", text))
        ]

    def _stored(self) -> Iterator[tuple[str, str]]:
        for written in self.directory.rglob("*"):
            if written.is_file():
                yield str(written), written.read_text(errors="replace")
        for machine in self.world.machines.values():
            for name, volume in machine.volumes.items():
                for path, content in volume.files.items():
                    yield f"{machine.name}:{name}/{path}", content.decode(errors="replace")
            for container in machine.containers.values():
                yield f"container {container.spec.name}", described(container)
        for name in ("deployments", "statuses", "issues", "comments", "tags", "refs", "requests"):
            yield f"GitHub's {name}", str(getattr(self.github, name))


def described(container: FakeContainer) -> str:
    """Return all of a container's description but its own variables and files."""
    own = {name for name in container.spec.env if name in CANARIES}
    env = {name: value for name, value in container.spec.env.items() if name not in own}
    return f"{container.spec}{env}{container.spec.labels}"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A shop with a secret of every kind; its programs are watched."""
    directory = tmp_path / "here"
    for folder in ("", "tmp"):
        (directory / folder).mkdir()
    world = make_world(
        directory,
        monkeypatch,
        secrets=["VARIABLE", {"name": "IN_FILE", "file": FILE}, "WORD"],
        registry={"username": "bot", "password": "REGISTRY_PASSWORD"},
        smoke=[
            {"path": "/", "headers": {"Authorization": "Basic ${VARIABLE}"}, "contains": "version"}
        ],
        hooks={when: [{"run": "exit 0"}] for when in ("pre_deploy", "post_deploy", "on_failure")},
    )
    monkeypatch.chdir(directory)
    monkeypatch.setattr(tempfile, "tempdir", str(directory / "tmp"))
    github = FakeGitHub(commits=["c" * 40])
    with serving(github):
        environ = CANARIES | {
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_API_URL": github.url,
            "GITHUB_SHA": "c" * 40,
            "GITHUB_OUTPUT": str(directory / "outputs"),
            "GITHUB_STEP_SUMMARY": str(directory / "summary"),
            "PATH": os.environ["PATH"],
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        made = Stage(world=world, github=github, environ=environ, directory=directory)
        watch(made, monkeypatch)
        yield made


def watch(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the arguments and variables of every program that is started."""
    start = subprocess.Popen.__init__

    def starting(self: Any, argv: Sequence[str], *rest: Any, **options: Any) -> None:
        env = os.environ if options.get("env") is None else options["env"]
        stage.texts.append((f"arguments of {argv[0]}", " ".join(map(str, argv))))
        stage.texts.append((f"variables of {argv[0]}", str(dict(env))))
        start(self, argv, *rest, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", starting)


def test_no_canary_is_found_but_in_its_own_container(stage: Stage) -> None:
    """Over deployments, failures of each kind, rollback, tasks, logs, monitor, drift and the pages."""
    world = stage.world
    sick = [
        Application(version="4.0.0", ready_seconds=float("inf"), says=words()),
        Application(version="5.0.0", ends_seconds=0.05, exit_code=1, says=words()),
        Application(version="6.0.0", says_version=CANARIES["WORD"], says=words()),
        Application(version="7.0.0", refusal=" ".join(words())),
    ]
    for application in (Application(version="2.0.0", says=words()), *sick):
        world.publish(application)
    assert stage.run("deploy", "--version", "1.0.0", "--github-record") == 0
    assert stage.run("deploy", "--version", "2.0.0", "--json") == 0
    for application in sick:
        version = application.version
        assert stage.run("deploy", "--version", version, "--json", "--github-record") == 4
        assert stage.run("deploy", "--version", version, "--progress-json") == 4
        assert stage.step(command="deploy", version=version, github_record="auto") == 4
    for argv in (
        ("run", "--", "exit", "0"),
        ("run", "--json", "--", "exit", "0"),
        ("logs", "--all"),
        ("monitor", "--textfile", "metrics.prom"),
        ("drift", "--json"),
        ("status", "--json"),
        ("history", "--json"),
        ("ps", "--json"),
        ("plan", "--version", "3.0.0", "--json"),
        ("docs", "--output", "team.md"),
        ("doctor", "--json"),
    ):
        stage.run(*argv)
    world.settle()
    assert stage.run("rollback", "--json") == 0
    assert stage.step(command="monitor", issue="true") in (0, 3, 4)
    masked = {where for where, text in stage.texts if "***" in text}
    assert {"step deploy", "('logs', '--all') says", "('run', '--', 'exit', '0') says"} <= masked
    assert stage.leaks() == []
    world.settle()
    [live] = [c for _, c in world.replicas() if c.status == "running"]
    assert live.files[FILE].decode() == CANARIES["IN_FILE"]
    assert live.spec.env["VARIABLE"] == CANARIES["VARIABLE"]


def test_a_value_that_only_a_container_still_has_is_masked_too(stage: Stage) -> None:
    """Of the release that is live, as where the logs are read without any secret at hand."""
    stage.world.publish(Application(version="4.0.0", says=(f"it is {CANARIES['VARIABLE']}",)))
    assert stage.run("deploy", "--version", "4.0.0") == 0
    from deploy_action.redaction import redact

    redact.forget()
    stage.environ = dict.fromkeys(CANARIES, "")
    assert stage.run("logs") == 0
    assert any("it is ***" in text for where, text in stage.texts if "'logs'" in where)


def test_a_deployer_that_was_killed_leaves_no_canary(stage: Stage) -> None:
    """At any request to the engine: neither on the host nor in a temporary file."""
    assert stage.run("deploy", "--version", "1.0.0") == 0
    for calls in range(1, 60, 7):
        with contextlib.suppress(BaseException):
            stage.run("deploy", "--version", "2.0.0", process=Process(Fault.DIES_AFTER, calls))
    assert stage.leaks() == []


def test_a_value_that_is_too_short_to_be_masked_is_told(stage: Stage) -> None:
    """One that is the environment's own name, or shorter than four characters, is in every text."""
    stage.environ |= {"VARIABLE": "abc", "IN_FILE": "production"}
    assert stage.run("deploy", "--version", "1.0.0", "--json") == 0
    [report] = [
        text for where, text in stage.texts if where.endswith("reports") and text[:1] == "{"
    ]
    notes = json.loads(report)["notes"]
    [note] = [note for note in notes if note["code"] == "secret-trivial"]
    assert "VARIABLE" in note["text"]
    assert json.loads(report)["environment"] == "production"
