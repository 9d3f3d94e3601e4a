"""One step of a workflow: INPUT_* → a command → annotations, outputs, summary."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from deploy_action import __version__
from deploy_action.action.files import add_summary, set_outputs
from deploy_action.action.inputs import COMMANDS, action_inputs, arguments, publish_options
from deploy_action.action.masking import (
    handed_secrets,
    lost_outputs,
    masked_texts,
    named_secrets,
    trivial_secrets,
)
from deploy_action.action.outputs import outputs
from deploy_action.action.ssh import require_ssh, ssh_files
from deploy_action.action.workflow_commands import Commands
from deploy_action.cli import screen
from deploy_action.cli.arguments import Call, parse
from deploy_action.cli.main import bug
from deploy_action.commands import perform
from deploy_action.config import check
from deploy_action.errors import BadInput, ErrorCode, ExitCode
from deploy_action.events.observers import ObserverContext, observers
from deploy_action.gates.sarif import sarif
from deploy_action.github.button import rollback_button
from deploy_action.github.context import Context
from deploy_action.github.event import pull_request
from deploy_action.github.publishing import Publisher
from deploy_action.inputs import Inputs, Secret
from deploy_action.interruption import uninterrupted
from deploy_action.redaction import redact
from deploy_action.render.report_view import report_view
from deploy_action.render.summary import summary
from deploy_action.render.terminal import show_report
from deploy_action.render.text import Style
from deploy_action.results.notes import Note, NoteCode
from deploy_action.results.outcome import Outcome
from deploy_action.results.reports import DoctorReport, with_notes

if TYPE_CHECKING:
    from deploy_action.problem import Problem
    from deploy_action.results.reports import Report

__all__ = ["main"]

_INTERRUPTED = 130
_ON_HOSTS = frozenset(COMMANDS) - {"validate", "check", "build", "doctor", "notify", "docs"}
"""The commands that need the hosts of deploy.yaml; doctor says what is missing."""
_READ_ONLY = frozenset({"validate", "check", "docs"})


def main(environ: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Run the command that the step asks for and return the exit code.

    Masking comes first: nothing but a constant is written before every secret is known to the runner.
    """
    # Process 1 of a container ignores SIGTERM unless it says otherwise.
    # A shell makes its background jobs ignore SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    commands = Commands(stdout)
    try:
        secrets = tuple(named_secrets(environ))
        for _, value in secrets:
            redact.protect(value)
            for text in masked_texts(value):
                commands.mask(text)
        return _run(environ, commands, secrets)
    except KeyboardInterrupt:
        # A deployment turns signals into an outcome: this one came before or after it.
        commands.error("cancelled", "The run was cancelled; no deployment was under way.")
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the outermost place: whatever is left is a bug
        commands.error("bug", "an unexpected error in deploy-action; see the log")
        with contextlib.suppress(OSError):
            set_outputs(environ, {"outcome": "error", "exit-code": str(int(ExitCode.BUG))})
        with commands.no_commands():
            return bug(error, _verbosely(environ), environ, stdout, stderr)


def _run(environ: Mapping[str, str], commands: Commands, secrets: Sequence[tuple[str, str]]) -> int:
    report: Report
    publisher: Publisher | None = None
    with ExitStack() as stack:
        try:
            # What git and ssh are told goes through the process's own environment.
            os.environ.update(_git_trust(environ))
            os.environ.update(stack.enter_context(ssh_files(action_inputs(environ))))
            publisher = _publisher(environ)
            report = _perform(environ, commands)
        except BadInput as error:
            report = Outcome.of_error(error)
        with uninterrupted():
            report = _show(report, commands, environ, publisher, secrets)
    return int(report.exit_code)


def _publisher(environ: Mapping[str, str]) -> Publisher:
    inputs = action_inputs(environ)
    return Publisher(
        Context.read(environ),
        publish_options(inputs),
        Secret(_with_secrets(environ).get("GITHUB_TOKEN", "")),
        config=Path(inputs.get("config") or "deploy.yaml"),
        environment=inputs.get("environment", ""),
    )


def _perform(environ: Mapping[str, str], commands: Commands) -> Report:
    context = Context.read(environ)
    call = parse(arguments(action_inputs(environ), context))
    if not isinstance(call, Call):
        raise BadInput("the action runs one command", remedy=f"command: {COMMANDS[0]}")
    _refuse_fork(context, call.command.name, offline=bool(call.fields.get("offline")))
    if call.command.name in _ON_HOSTS and not call.fields.get("offline"):
        config, _ = check(Path(action_inputs(environ).get("config") or "deploy.yaml"))
        if config is not None:
            require_ssh(config, action_inputs(environ).get("environment", ""), environ)
    accepted = {option.field for option in call.command.options}
    facts = {"actor": context.actor, "commit": context.commit, "run_url": context.run_url}
    fields = {k: v for k, v in facts.items() if k in accepted or k == "run_url"}
    fields["repository"] = context.repository
    inputs = Inputs(**{**fields, **call.fields}, environ=_with_secrets(environ))
    # Progress quotes containers' logs: none of it may be a workflow command.
    with commands.group(f"deploy-action {call.command.name}"), commands.no_commands() as log:
        watching = observers(ObserverContext(inputs=inputs, log=log, style=Style(False)))
        return perform(call.command.name, inputs, watching)


def _refuse_fork(context: Context, command: str, *, offline: bool) -> None:
    """Refuse whatever builds, or contacts whom a deploy.yaml from a fork names.

    Raises:
        BadInput: the pull request is a fork's, and the command does more than read it.
    """
    request = pull_request(context)
    if request is None or not request.from_fork or command in _READ_ONLY:
        return
    if command == "plan" and offline:
        return
    what = "plan without offline: true" if command == "plan" else command
    raise BadInput(
        f"{what} is not run for the pull request of a fork",
        cause="its deploy.yaml says what is built and who is asked, and nobody has accepted it yet",
        remedy="use command: plan with offline: true, validate, or check",
        code=ErrorCode.PULL_REQUEST_FROM_FORK,
    )


def _show(
    report: Report,
    commands: Commands,
    environ: Mapping[str, str],
    publisher: Publisher | None,
    secrets: Sequence[tuple[str, str]],
) -> Report:
    context, news = Context.read(environ), ""
    place = {"repository": context.repository_url, "commit": context.commit}
    place["button"] = rollback_button(context.repository_url, Path.cwd())
    if publisher is not None:
        if isinstance(report, DoctorReport):
            report = publisher.with_settings(report)
        published = publisher.publish(report, summary(report, **place))
        report, news = published.report, published.release_notes
    values = outputs(report, news)
    warnings = tuple(_about_masks(values, secrets))
    for warning in warnings:
        commands.warning(warning.code.replace("-", " "), warning.text)
    report = with_notes(report, warnings)
    if isinstance(report, Outcome):
        if report.error is not None:
            commands.error(report.error.code.replace("-", " "), str(report.error))
        for problem in (*report.problems, *_gate_problems(report)):
            commands.annotate(problem)
        if commands.left_out:
            more = f"{len(commands.left_out)} more problems are on the run's summary page"
            commands.notice("not all are shown here", more)
        _write_sarif(action_inputs(environ).get("sarif-file", ""), report)
    elif report.exit_code is not ExitCode.DONE:
        commands.error(report.result, report_view(report).title)
    with commands.no_commands() as log:
        log.write("".join(f"{line}\n" for line in _text(report)))
    set_outputs(environ, values)
    add_summary(environ, summary(report, **place, release_notes=news))
    return report


def _about_masks(values: Mapping[str, str], secrets: Sequence[tuple[str, str]]) -> Iterator[Note]:
    """Yield what hiding the secrets does to outputs and logs: GitHub itself says nothing of it."""
    lost = lost_outputs(values, secrets)
    if lost:
        names = ", ".join(dict.fromkeys(name for each in lost.values() for name in each))
        yield Note(
            NoteCode.OUTPUT_MASKED,
            f"GitHub hands these outputs to no other job, because the value of a secret ({names}) is in"
            f" them: {', '.join(lost)}. Write a value that is no secret in deploy.yaml, under env",
        )
    trivial = trivial_secrets(secrets)
    if trivial:
        yield Note(
            NoteCode.SECRET_TRIVIAL,
            f"too short or too common to be hidden: {', '.join(trivial)}. GitHub replaces it in every"
            " log and drops outputs that it is in. Write a value that is no secret in deploy.yaml,"
            " under env",
        )


def _gate_problems(report: Report) -> Iterator[Problem]:
    for result in getattr(report, "gates", ()):
        yield from getattr(result, "problems", ())


def _write_sarif(path: str, report: Outcome) -> None:
    if not path:
        return
    file = Path(path)
    made = [folder for folder in file.parents if not folder.exists()]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(sarif(report.gates, version=__version__)), encoding="utf-8")
    # The container's root would keep the next checkout on a self-hosted runner from removing them.
    owner = Path.cwd().stat()
    for each in (file, *made):
        with contextlib.suppress(OSError):
            os.chown(each, owner.st_uid, owner.st_gid)


def _text(report: Report) -> list[str]:
    environ = {"COLUMNS": "100", "NO_COLOR": "1"}
    return show_report(report, screen.render_context(environ, sys.stdout, report=report))


def _with_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that secrets are taken from; the input `secrets` adds nothing else."""
    inputs = action_inputs(environ)
    token = environ.get("GITHUB_TOKEN") or inputs.get("github-token", "")
    variables = {**environ, "GITHUB_TOKEN": token} if token else dict(environ)
    return variables | handed_secrets(inputs.get("secrets", ""))


def _verbosely(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Show tracebacks when a user re-runs the job with debug logging."""
    return ("--verbose",) if environ.get("RUNNER_DEBUG") == "1" else ()


def _git_trust(environ: Mapping[str, str]) -> dict[str, str]:
    """Let git read the checkout, which belongs to the runner's user, not to the container's."""
    workspace = environ.get("GITHUB_WORKSPACE", str(Path.cwd()))
    given_count = environ.get("GIT_CONFIG_COUNT", "")
    number = int(given_count) if given_count.isdecimal() else 0
    return {
        "GIT_CONFIG_COUNT": str(number + 1),
        f"GIT_CONFIG_KEY_{number}": "safe.directory",
        f"GIT_CONFIG_VALUE_{number}": workspace,
    }
