"""The action's entry point: what its inputs may not do, and what is told however it ends."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy_action.action import main as action
from deploy_action.errors import ExitCode
from deploy_action.inputs import Inputs
from deploy_action.results.outcome import Outcome, Result
from deploy_action.results.reports import Monitoring

VALID = "version: 1\nservice: shop\nimage: ghcr.io/acme/shop\nport: 8080\nsecrets: [TOKEN]\n"


@pytest.fixture(autouse=True)
def _restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test has a directory of its own; the process stays as it was."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy.yaml").write_text(VALID)
    variables, handlers = dict(os.environ), {n: signal.getsignal(n) for n in (2, 15)}
    yield
    os.environ.clear()
    os.environ.update(variables)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def run(environ: dict[str, str]) -> tuple[int, str]:
    """Run a step and return its exit code and its log."""
    log = io.StringIO()
    return action.main({"INPUT_COMMAND": "validate"} | environ, log, log), log.getvalue()


def performed(monkeypatch: pytest.MonkeyPatch, report: Any = None) -> list[Inputs]:
    """Let nothing be done but remember what was asked for."""
    asked: list[Inputs] = []

    def perform(command: str, inputs: Inputs, observers: object) -> Any:
        asked.append(inputs)
        if isinstance(report, BaseException):
            raise report
        return report or Outcome(result=Result.VALID)

    monkeypatch.setattr(action, "perform", perform)
    return asked


def test_a_blank_around_the_path_does_not_unmask_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration whose secrets are masked is the one that is deployed."""
    asked = performed(monkeypatch)
    _, log = run({"INPUT_CONFIG": " deploy.yaml ", "TOKEN": "tr0ub4dor"})
    assert asked[0].config == Path("deploy.yaml")
    assert log.startswith("::add-mask::tr0ub4dor\n")


def test_what_is_handed_over_is_nothing_but_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of `secrets` can neither move the outputs, nor name another actor, nor trust a host."""
    asked = performed(monkeypatch)
    lines = (
        f"GITHUB_OUTPUT={tmp_path}/elsewhere",
        "GITHUB_ACTOR=mallory",
        "DEPLOY_ACTION_KNOWN_HOSTS=/tmp/known",
        "INPUT_COMMAND=rollback",
    )
    code, _ = run(
        {
            "INPUT_COMMAND": "deploy",
            "INPUT_SECRETS": "\n".join(lines),
            "GITHUB_ACTOR": "ada",
            "GITHUB_OUTPUT": str(tmp_path / "output"),
        }
    )
    assert code == 0
    assert asked[0].actor == "ada"
    assert "DEPLOY_ACTION_KNOWN_HOSTS" not in os.environ
    assert (tmp_path / "output").exists()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("environ", "token"),
    [
        ({"INPUT_GITHUB-TOKEN": "the input"}, "the input"),
        ({"INPUT_GITHUB-TOKEN": "the input", "GITHUB_TOKEN": ""}, "the input"),
        ({"INPUT_GITHUB-TOKEN": "the input", "GITHUB_TOKEN": "the step"}, "the step"),
        ({"GITHUB_TOKEN": "the step", "INPUT_SECRETS": "GITHUB_TOKEN=handed"}, "handed"),
    ],
)
def test_the_nearest_token_wins(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], token: str
) -> None:
    """`secrets` before the step's env before the input, whose default is always there."""
    asked = performed(monkeypatch)
    run(environ)
    assert asked[0].environ["GITHUB_TOKEN"] == token


def test_git_keeps_what_it_was_told_before() -> None:
    """A runner that configures git through the same variables loses nothing."""
    run({"GIT_CONFIG_COUNT": "2", "GITHUB_WORKSPACE": "/github/workspace"})
    assert os.environ["GIT_CONFIG_COUNT"] == "3"
    assert os.environ["GIT_CONFIG_KEY_2"] == "safe.directory"
    assert os.environ["GIT_CONFIG_VALUE_2"] == "/github/workspace"


def test_an_answer_that_is_not_well_is_annotated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule that watches says in one line why it is red."""
    performed(
        monkeypatch, Monitoring(service="shop", environment="production", unreachable=("web1",))
    )
    code, log = run({"INPUT_COMMAND": "monitor", "INPUT_ENVIRONMENT": "production"})
    assert code == 3
    [line] = [line for line in log.splitlines() if line.startswith("::error")]
    assert line.startswith("::error title=unhealthy::")
    assert "shop" in line


def test_a_bug_is_an_outcome_for_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs and an annotation say so; the exception's text, which may quote a secret, is kept."""
    performed(monkeypatch, RuntimeError("tr0ub4dor"))
    code, log = run({"GITHUB_OUTPUT": str(tmp_path / "output")})
    assert code == 1
    assert "::error title=bug::" in log
    assert "tr0ub4dor" not in log
    assert "\nerror\n" in (tmp_path / "output").read_text()


def test_a_bug_while_masking_is_told_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing escapes as a traceback, which would quote what is not masked yet."""

    def broken(_: object) -> Iterator[tuple[str, str]]:
        raise RuntimeError("tr0ub4dor")
        yield "", ""

    monkeypatch.setattr(action, "named_secrets", broken)
    code, log = run({})
    assert code == 1
    assert "tr0ub4dor" not in log


def test_a_signal_while_it_is_told_loses_no_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deployment that was made is reported as made, also when the workflow is cancelled then."""
    performed(monkeypatch)

    def and_cancel(*_: object) -> dict[str, str]:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        return {"outcome": "valid"}

    monkeypatch.setattr(action, "outputs", and_cancel)
    code, log = run(
        {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "page")}
    )
    assert code == 0
    assert "cancelled" not in log
    assert "\nvalid\n" in (tmp_path / "output").read_text()
    assert (tmp_path / "page").stat().st_size > 0


def test_a_page_that_is_cut_ends_its_code_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note that something is missing must not look like a line of somebody's log."""
    from deploy_action.action.files import add_summary

    page = tmp_path / "page"
    add_summary(
        {"GITHUB_STEP_SUMMARY": str(page)},
        "# Title\n\n````text\n" + "```\nx\n" * 400_000 + "````\n",
    )
    text = page.read_text()
    assert page.stat().st_size <= 1024 * 1024
    assert "\n````\n\n*This page was cut" in text


def test_outputs_that_vanish_are_told_in_the_step_that_sets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an annotation and on the page, with the names of output and secret, never with the value."""
    performed(monkeypatch, Outcome(result=Result.DEPLOYED, environment="staging-2"))
    page = tmp_path / "page"
    _, log = run({"INPUT_SECRETS": "WORKERS=2", "GITHUB_STEP_SUMMARY": str(page)})
    warnings = [line for line in log.splitlines() if line.startswith("::warning")]
    assert [line.partition("::")[2].partition("::")[0] for line in warnings] == [
        "warning title=output masked",
        "warning title=secret trivial",
    ]
    assert "(WORKERS)" in warnings[0]
    assert "environment" in warnings[0]
    assert "WORKERS" in page.read_text()


@pytest.mark.parametrize(
    ("inputs", "runs"),
    [
        ({"INPUT_COMMAND": "validate"}, True),
        ({"INPUT_COMMAND": "check"}, True),
        ({"INPUT_COMMAND": "plan", "INPUT_OFFLINE": "true"}, True),
        ({"INPUT_COMMAND": "plan"}, False),
        ({"INPUT_COMMAND": "build", "INPUT_VERSION": "1"}, False),
        ({"INPUT_COMMAND": "deploy", "INPUT_VERSION": "1"}, False),
        ({"INPUT_COMMAND": "status"}, False),
    ],
)
@pytest.mark.parametrize("event", ["pull_request", "pull_request_target"])
@pytest.mark.parametrize("source", ["mallory/shop", "acme/shop"])
def test_a_fork_is_read_and_nothing_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    inputs: dict[str, str],
    runs: bool,
    event: str,
    source: str,
) -> None:
    """Nothing is built and nobody is asked whom its deploy.yaml names, also where secrets are there."""
    asked = performed(monkeypatch)
    file = tmp_path / "event.json"
    head = {"repo": {"full_name": source}}
    file.write_text(json.dumps({"pull_request": {"number": 7, "head": head}}))
    github = {
        "GITHUB_EVENT_NAME": event,
        "GITHUB_EVENT_PATH": str(file),
        "GITHUB_REPOSITORY": "acme/shop",
    }
    code, log = run(github | inputs)
    assert bool(asked) == (runs or source == "acme/shop"), log
    assert (code == ExitCode.BAD_INPUT) == (not asked)


def test_a_file_for_code_scanning_belongs_to_the_owner_of_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next checkout of a self-hosted runner has to remove it, and its new folder."""
    given: dict[str, tuple[int, int]] = {}
    monkeypatch.setattr(os, "chown", lambda path, u, g: given.update({str(path): (u, g)}))
    performed(monkeypatch, Outcome(result=Result.VALID))
    run({"INPUT_SARIF-FILE": "reports/new/gates.sarif"})
    owner = tmp_path.stat()
    assert set(given) == {"reports/new/gates.sarif", "reports/new", "reports"}
    assert set(given.values()) == {(owner.st_uid, owner.st_gid)}
