"""The command line: arguments in, exit code and report out, nothing else."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from deploy_action import __version__
from deploy_action.cli import main as cli
from deploy_action.commands import all_commands
from deploy_action.errors import (
    BadInput,
    DeploymentFailed,
    GateRefused,
    LockHeld,
    RollbackFailed,
)
from deploy_action.events.stream import EventStream
from deploy_action.inputs import Inputs
from deploy_action.results.outcome import Outcome, Result
from deploy_action.results.reports import History, Report

ENVIRON = {"USER": "ada", "DATABASE_URL": "hunter2"}


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str


def run(*argv: str, environ: dict[str, str] | None = None) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    code = cli.main(argv, environ=environ or ENVIRON, stdout=out, stderr=err)
    return Ran(code, out.getvalue(), err.getvalue())


Operation = Callable[[Inputs, EventStream], Report]
Put = Callable[[str, Operation], None]


@pytest.fixture
def operation(monkeypatch: pytest.MonkeyPatch) -> Put:
    """Put an operation in the place of a command's own."""

    def put(command: str, run: Operation) -> None:
        monkeypatch.setattr(f"deploy_action.commands.{command}.run", run)

    return put


def raising(error: BaseException) -> Operation:
    def run(inputs: Inputs, progress: EventStream) -> Report:
        raise error

    return run


def test_the_version_is_one_line_on_stdout() -> None:
    """`--version` needs no command and no configuration."""
    assert run("--version") == Ran(0, f"deploy-action {__version__}\n", "")


@pytest.mark.parametrize("argv", [(), ("--help",), ("help",), ("-h",)])
def test_help_is_a_result_and_not_an_error(argv: tuple[str, ...]) -> None:
    """Nothing at all, and every spelling of help, shows the overview on stdout."""
    ran = run(*argv)
    assert ran.code == 0
    assert "usage: deploy-action COMMAND" in ran.out
    assert ran.err == ""


@pytest.mark.parametrize("argv", [("deploy", "--help"), ("help", "deploy"), ("-h", "deploy")])
def test_help_on_a_command_comes_by_every_way(argv: tuple[str, ...]) -> None:
    """Before, after, or as a command of its own."""
    assert run(*argv).out.startswith("usage: deploy-action deploy [options]")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("deplyo",), "did you mean 'deploy'?"),
        (("roll-back",), "did you mean 'rollback'?"),
        (("deploy", "--verison", "1"), "did you mean '--version'?"),
        (("deploy", "--enviroment=x"), "did you mean '--environment'?"),
        (("validate", "--version", "1"), "validate does not take '--version'"),
        (("deploy", "--version"), "expected one argument"),
        (("deploy", "--lock-wait", "soon"), "is not a duration"),
        (("history", "--limit", "0"), "is not a number from 1 on"),
        (("history", "--limit", "many"), "is not a number from 1 on"),
        (("deploy", "--reason", "a\x1b[2Jb"), "control characters"),
        (("--enviroment", "x", "deploy"), "options of a command are written after it"),
        (("deploy", "production"), "deploy does not take 'production'"),
        (("deploy", "--env", "production"), "did you mean '--environment'?"),
    ],
)
def test_a_wrong_argument_is_refused_in_plain_words(argv: tuple[str, ...], said: str) -> None:
    """Exit 2, on stderr, with the nearest right one and where to read more."""
    ran = run(*argv)
    assert ran.code == 2
    assert ran.out == ""
    assert said in " ".join(ran.err.split())
    assert "--help" in ran.err
    assert "\x1b" not in ran.err


def test_what_was_said_reaches_the_operation(operation: Put) -> None:
    """Every flag lands in its field; the process environment comes along for the secrets."""
    seen: list[Inputs] = []

    def record(inputs: Inputs, progress: EventStream) -> Report:
        seen.append(inputs)
        return Outcome(result=Result.DEPLOYED)

    operation("deploy", record)
    argv = "-c x.yaml deploy -e production --version 1.4.2 --digest sha256:ab --image r/i"
    argv += " --commit abc --reason why --actor Ada --run-url https://r --lock-wait 1m30s --dry-run"
    proofs = ("--proof", "p", "--proof-age", "1h", "--proof-file", "out")
    assert run(*argv.split(" "), *proofs).code == 0
    (inputs,) = seen
    assert str(inputs.config) == "x.yaml"
    assert inputs.environment == "production"
    assert (inputs.version, inputs.digest, inputs.image) == ("1.4.2", "sha256:ab", "r/i")
    assert (inputs.commit, inputs.reason, inputs.actor) == ("abc", "why", "Ada")
    assert (inputs.run_url, inputs.lock_wait_seconds, inputs.dry_run) == ("https://r", 90.0, True)
    assert (inputs.proof, inputs.proof_age_seconds) == ("p", 3600.0)
    assert str(inputs.proof_file) == "out"
    secret = inputs.secret("DATABASE_URL")
    assert secret is not None
    assert secret.reveal() == "hunter2"
    assert "hunter2" not in repr(inputs)


def test_an_actor_is_found_when_none_is_said(operation: Put) -> None:
    """The ledger never records an attempt by nobody."""
    seen: list[Inputs] = []

    def record(inputs: Inputs, progress: EventStream) -> Report:
        seen.append(inputs)
        return Outcome(result=Result.ROLLED_BACK)

    operation("rollback", record)
    run("rollback", "--to", "1", "--from", "2", "--at", "2026-05-01")
    assert seen[0].actor
    assert (seen[0].to, seen[0].from_, seen[0].at) == ("1", "2", "2026-05-01")


@pytest.mark.parametrize(
    ("error", "code", "result"),
    [
        (BadInput("no"), 2, "invalid"),
        (GateRefused("no"), 3, "refused"),
        (DeploymentFailed("no"), 4, "failed"),
        (RollbackFailed("no"), 5, "unresolved"),
        (LockHeld("no"), 6, "locked"),
    ],
)
def test_an_error_of_an_operation_has_its_exit_code(
    operation: Put, error: Exception, code: int, result: str
) -> None:
    """Text on stderr for people; one document on stdout for programs, with the same code."""
    operation("status", raising(error))
    text = run("status")
    assert (text.code, text.out) == (code, "")
    assert "✗ no" in text.err
    document = run("status", "--json")
    assert document.code == code
    data = json.loads(document.out)
    assert (data["result"], data["exit_code"], data["command"]) == (result, code, "status")
    assert document.err == ""


def test_usage_errors_are_json_too_when_json_is_wanted() -> None:
    """A program that asked for JSON gets JSON, whatever it did wrong."""
    ran = run("deploy", "--verison", "1", "--json")
    data = json.loads(ran.out)
    assert (ran.code, data["result"], data["error"]["code"]) == (2, "invalid", "unknown-option")


def test_progress_goes_to_stderr_and_the_result_to_stdout(operation: Put) -> None:
    """Redirecting stdout gives the result alone."""

    def working(inputs: Inputs, progress: EventStream) -> Report:
        progress.say("working", host="a")
        return History(environment="production")

    operation("history", working)
    ran = run("history", "--json")
    assert "a working" in ran.err
    assert json.loads(ran.out)["result"] == "listed"


def test_a_bug_says_where_and_how_to_report_and_keeps_its_message(operation: Put) -> None:
    """An unforeseen exception may quote a secret: type and place are shown, no more."""
    operation("status", raising(ValueError("token hunter2")))
    ran = run("status")
    assert ran.code == 1
    assert "ValueError at test_main.py:" in ran.err
    assert "report" in ran.err
    assert "hunter2" not in ran.err
    assert "Traceback" not in ran.err
    assert json.loads(run("status", "--json").out)["exit_code"] == 1


@pytest.mark.parametrize(
    ("argv", "environ"),
    [
        (("status", "--verbose"), ENVIRON),
        (("status", "-v"), ENVIRON),
        (("status",), {**ENVIRON, "DEPLOY_ACTION_DEBUG": "1"}),
    ],
)
def test_the_traceback_is_there_for_who_asks(
    operation: Put, argv: tuple[str, ...], environ: dict[str, str]
) -> None:
    """--verbose or DEPLOY_ACTION_DEBUG shows all of it."""
    operation("status", raising(ValueError("details")))
    ran = run(*argv, environ=environ)
    assert "Traceback" in ran.err
    assert "details" in ran.err


def test_an_interruption_outside_of_a_deployment_is_130(operation: Put) -> None:
    """Ctrl-C ends a reading command without a traceback."""
    operation("status", raising(KeyboardInterrupt()))
    assert run("status") == Ran(130, "", "interrupted\n")


def test_a_closed_pipe_is_141_and_silent() -> None:
    """`deploy-action --help | head -1` is not an error to talk about."""

    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    err = io.StringIO()
    assert cli.main(["--help"], environ=ENVIRON, stdout=Closed(), stderr=err) == 141
    assert err.getvalue() == ""


def test_a_terminal_that_is_not_utf8_still_gets_its_report(operation: Put) -> None:
    """A good outcome must not become a crash for the sake of a check mark."""
    operation("deploy", lambda inputs, progress: Outcome(result=Result.DEPLOYED))
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    err = io.StringIO()
    assert cli.main(["deploy"], environ=ENVIRON, stdout=out, stderr=err) == 0
    assert b"is live" in out.buffer.getvalue()


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("argv", "environ", "coloured"),
    [
        ((), {}, True),
        (("--no-color",), {}, False),
        ((), {"NO_COLOR": "1"}, False),
        ((), {"NO_COLOR": ""}, True),
        ((), {"TERM": "dumb"}, False),
    ],
)
def test_colours_are_for_terminals_and_can_be_switched_off(
    operation: Put, argv: tuple[str, ...], environ: dict[str, str], coloured: bool
) -> None:
    """NO_COLOR, --no-color and a dumb terminal each say no."""
    operation("deploy", lambda inputs, progress: Outcome(result=Result.DEPLOYED))
    out = Terminal()
    cli.main(["deploy", *argv], environ=ENVIRON | environ, stdout=out, stderr=io.StringIO())
    assert ("\x1b[" in out.getvalue()) is coloured


def test_common_options_may_stand_before_or_after_the_command(operation: Put) -> None:
    """`deploy-action --json status` and `deploy-action status --json` are the same."""
    operation("status", lambda inputs, progress: Outcome(result=Result.DEPLOYED))
    assert run("--json", "status").out == run("status", "--json").out
    assert json.loads(run("--json", "status").out)


def test_every_field_of_a_command_exists_in_the_inputs() -> None:
    """A flag cannot be declared without a place for its value, nor a place without its flag."""
    from dataclasses import fields

    commands = all_commands()
    declared = {option.field for entry in commands for option in entry.options} | {"config"}
    declared |= {entry.arguments.field for entry in commands if entry.arguments is not None}
    known: set[Any] = {field.name for field in fields(Inputs)}
    assert declared == known - {"environ", "repository"}
