"""The command line: arguments → a command → a report on stdout → an exit code."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from deploy_action import __version__
from deploy_action.cli import provenance, screen
from deploy_action.cli.arguments import Call, Help, OutputOptions, VersionAsked, parse
from deploy_action.cli.manual import overview, page
from deploy_action.commands import perform
from deploy_action.errors import BadInput, ExitCode
from deploy_action.events.observers import ObserverContext, observers
from deploy_action.inputs import Inputs
from deploy_action.redaction import redact
from deploy_action.render.as_json import serialize
from deploy_action.render.terminal import RenderContext, show_report
from deploy_action.results.outcome import Outcome
from deploy_action.results.reports import Logs, Report, Session, TaskRun

__all__ = ["bug", "main"]

_INTERRUPTED = 130  # 128 + SIGINT, as a shell says it
_BROKEN_PIPE = 141  # 128 + SIGPIPE
_ISSUES = "https://github.com/org/deploy-action/issues"


def main(
    argv: Sequence[str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
) -> int:
    """Run the command line and return the exit code; never exits by itself.

    Args:
        argv: the arguments after the program's name; default: the process's.
        environ, stdout, stderr: default: the process's.
    """
    argv = sys.argv[1:] if argv is None else argv
    environ = os.environ if environ is None else environ
    # Python sets a stream that the caller closed to None.
    out = (sys.stdout or _closed()) if stdout is None else stdout
    err = (sys.stderr or io.StringIO()) if stderr is None else stderr
    try:
        return _run(argv, environ, out, err)
    except BrokenPipeError:
        _silence(out)
        return _BROKEN_PIPE
    except _Unwritable as error:
        _silence(error.stream)
        with contextlib.suppress(OSError):
            err.write(
                f"deploy-action: the report could not be written: {error}"
                f" (the command itself ended with exit code {int(error.code)})\n"
            )
        return error.code or ExitCode.BUG
    except KeyboardInterrupt:
        err.write("interrupted\n")
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the outermost place: any other exception is a bug
        return bug(error, argv, environ, out, err)


def _run(argv: Sequence[str], environ: Mapping[str, str], out: TextIO, err: TextIO) -> int:
    try:
        asked = parse(argv)
        match asked:
            case VersionAsked():
                return _say(f"deploy-action {__version__}\n", out, ExitCode.DONE)
            case Help():
                width = screen.width(environ, out)
                text = page(asked.command, width=width) if asked.command else overview(width=width)
                return _say(text, out, ExitCode.DONE)
            case Call():
                return _perform(asked, environ, out, err)
    except BadInput as error:
        context = screen.render_context(environ, err)
        output = OutputOptions(json=_wants_json(argv))
        return _write(Outcome.of_error(error), "", output, context, out, err)


def _perform(call: Call, environ: Mapping[str, str], out: TextIO, err: TextIO) -> int:
    no_color = call.output.no_color
    inputs = _inputs(call, environ)
    watching = ObserverContext(
        inputs=inputs,
        log=err,
        style=screen.style(environ, err, no_color=no_color),
        verbose=call.output.verbose,
        width=screen.live_width(environ, err),
        json_lines=call.output.progress_json,
        # One JSON document is all that stdout has then.
        output=err if call.output.json else out,
    )
    report = perform(call.command.name, inputs, observers(watching))
    stream = err if _belongs_to_stderr(report) else out
    context = screen.render_context(environ, stream, no_color=no_color, report=report)
    return _write(report, call.command.name, call.output, context, out, err)


def _inputs(call: Call, environ: Mapping[str, str]) -> Inputs:
    """Fill in who, from which commit and in which repository, for the commands that record it."""
    fields = dict(call.fields)
    records = {option.field for option in call.command.options}
    if "actor" in records and "actor" not in fields:
        fields["actor"] = provenance.actor(environ)
    if "commit" in records and "commit" not in fields:
        fields["commit"] = provenance.commit()
    if records & {"proof", "proof_file"}:
        fields["repository"] = provenance.repository(environ)
    return Inputs(**fields, environ=environ)


def _belongs_to_stderr(report: Report) -> bool:
    """Tell whether stdout is not the report's: an error ended the command before it had anything to
    report, or a program's output is there."""
    if isinstance(report, Outcome):
        return report.error is not None and report.deployment is None
    return isinstance(report, TaskRun | Logs | Session)


def _write(
    report: Report,
    command: str,
    output: OutputOptions,
    context: RenderContext,
    out: TextIO,
    err: TextIO,
) -> int:
    if output.json:
        document = json.dumps(serialize(report, command=command), indent=2, ensure_ascii=False)
        return _say(f"{document}\n", out, report.exit_code)
    if isinstance(report, Logs | Session) and not report.notes:
        # Nothing is added to what the programs said.
        return report.exit_code
    lines = show_report(report, context)
    stream = err if _belongs_to_stderr(report) else out
    text = "".join(f"{line}\n" for line in lines)
    # A terminal that is not UTF-8 must not turn a success into a crash.
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return _say(text.encode(encoding, "replace").decode(encoding), stream, report.exit_code)


class _Unwritable(Exception):
    """A full disk or a closed stream kept the report from being written.

    Attributes:
        stream: what it was to be written to.
        code: the exit code that the report has.
    """

    def __init__(self, cause: OSError, stream: TextIO, code: int) -> None:
        super().__init__(cause.strerror)
        self.stream = stream
        self.code = code


def _say(text: str, stream: TextIO, code: int) -> int:
    """Write what a command reports, to the end, and return its exit code."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _Unwritable(error, stream, code) from error
    return code


def _closed() -> TextIO:
    """Return a stream that fails on every write, as a closed one does in C."""
    return os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")


def _wants_json(argv: Sequence[str]) -> bool:
    # What follows `--` belongs to the command that `run` runs.
    return "--json" in (argv[: list(argv).index("--")] if "--" in argv else argv)


def bug(
    error: Exception,
    argv: Sequence[str],
    environ: Mapping[str, str],
    out: TextIO,
    err: TextIO,
) -> int:
    """Say where an exception that nobody foresaw happened, and how to report it.

    Its message is shown with --verbose only: it may quote a secret.
    """
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    what = f"{type(error).__name__}{place}"
    verbose = bool({"-v", "--verbose"} & set(argv)) or bool(environ.get("DEPLOY_ACTION_DEBUG"))
    if verbose:
        err.write(redact("".join(traceback.format_exception(error))))
    err.write(
        f"deploy-action: a bug: {what}. Please report it, with the output of the same command"
        f" and --verbose (look it over for secrets first): {_ISSUES}\n"
    )
    if _wants_json(argv):
        document = {"command": "", "result": "error", "exit_code": 1, "error": {"what": what}}
        with contextlib.suppress(_Unwritable):
            _say(json.dumps(document) + "\n", out, ExitCode.BUG)
    return ExitCode.BUG


def _silence(stream: TextIO) -> None:
    """Keep the interpreter from complaining about the closed pipe when it exits."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, stream.fileno())
        os.close(devnull)
