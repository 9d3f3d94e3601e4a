"""Turns an argument list into a call, a help page or a refusal; it never exits or prints."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from deploy_action.commands import describe
from deploy_action.commands.command import Command, Option, option
from deploy_action.errors import BadInput, ErrorCode
from deploy_action.suggest import suggestion
from deploy_action.units import parse_duration

__all__ = ["COMMON", "Call", "Help", "OutputOptions", "VersionAsked", "parse"]

COMMON = (
    option("-c --config", "FILE", "the configuration file (default: deploy.yaml)", kind="path"),
    option("--json", "", "print one JSON document instead of text"),
    option("--progress-json", "", "write the progress as one JSON object a line"),
    option("-v --verbose", "", "show the time of day, and tracebacks of internal errors"),
    option("--no-color", "", "no colours; NO_COLOR=1 does the same"),
    option("-h --help", "", "show this help"),
)
"""The options that every command takes, before or after its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """How the report is shown."""

    json: bool = False
    no_color: bool = False
    progress_json: bool = False
    verbose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A command with its options; `fields` are fields of `Inputs`."""

    command: Command
    fields: Mapping[str, Any]
    output: OutputOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    """A request for help: on one command, or on all (None)."""

    command: Command | None = None


class VersionAsked:
    """A request for the version of deploy-action."""


class _Parser(argparse.ArgumentParser):
    """argparse without its habit of printing and exiting."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(message, remedy=f"{self.prog} --help", code=ErrorCode.INVALID_OPTION)


def parse(argv: Sequence[str]) -> Call | Help | VersionAsked:
    """Read the arguments after the program's name.

    Raises:
        BadInput: an unknown command or option (with the nearest one), or a wrong value.
    """
    top = _parser("deploy-action", COMMON)
    top.add_argument("-V", "--version", action="store_true", dest="show_version", default=False)
    top.add_argument("command", nargs="?", default=None)
    top.add_argument("rest", nargs=argparse.REMAINDER, default=[])
    argv, after_dashes = _split(argv)
    before, unknown = top.parse_known_args(list(argv))
    if unknown:
        raise BadInput(
            f"unknown option {unknown[0]!r} before the command",
            cause="options of a command are written after it",
            remedy="deploy-action --help",
            code=ErrorCode.UNKNOWN_OPTION,
        )
    if before.show_version or before.command == "version":
        return VersionAsked()
    if before.command in (None, "help"):
        return Help(command=describe(before.rest[0]) if before.rest else None)
    values = vars(before)
    called, rest = describe(values.pop("command")), values.pop("rest")
    del values["show_version"]
    return _parse_command(called, values, rest, after_dashes)


def _split(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str] | None]:
    """Cut at the first `--`: what follows is never an option of deploy-action."""
    if "--" not in argv:
        return argv, None
    cut = list(argv).index("--")
    return argv[:cut], argv[cut + 1 :]


def _parse_command(
    called: Command,
    before: Mapping[str, Any],
    rest: Sequence[str],
    after_dashes: Sequence[str] | None,
) -> Call | Help:
    parser = _parser(f"deploy-action {called.name}", (*called.options, *COMMON))
    if called.arguments is not None and called.arguments.choices:
        parser.add_argument(called.arguments.field, nargs="?", default=None)
    namespace, unknown = parser.parse_known_args(list(rest))
    if before["help"] or namespace.help:
        return Help(command=called)
    if unknown:
        flags = [flag for each in (*called.options, *COMMON) for flag in each.flags]
        flag = unknown[0].partition("=")[0]
        raise _refusal(
            called,
            f"does not take {flag!r}{suggestion(flag, flags)}",
            code=ErrorCode.UNKNOWN_OPTION,
        )
    values = {**before, **vars(namespace)}
    values |= _arguments(called, values, after_dashes)
    del values["help"]
    names = [name for name in ("json", "no_color", "progress_json", "verbose") if name in values]
    output = OutputOptions(**{name: values.pop(name) for name in names})
    return Call(command=called, fields=values, output=output)


def _arguments(
    called: Command, values: Mapping[str, Any], after_dashes: Sequence[str] | None
) -> Mapping[str, Any]:
    """Return what stands besides options; a command that takes any needs it."""
    takes = called.arguments
    if after_dashes is not None and (takes is None or takes.choices):
        raise _refusal(called, "takes nothing after --", code=ErrorCode.INVALID_ARGUMENT)
    if takes is None:
        return {}
    word = values.get(takes.field)
    if word in takes.choices:
        return {}
    if word is not None:
        raise _refusal(
            called,
            f"takes {takes.usage}, not {word!r}{suggestion(word, takes.choices)}",
            code=ErrorCode.INVALID_ARGUMENT,
        )
    if takes.choices or not after_dashes:
        raise _refusal(
            called,
            f"needs {takes.usage}: {takes.help}",
            remedy=f"for example: {called.examples[0][0]}",
            code=ErrorCode.INVALID_ARGUMENT,
        )
    return {takes.field: tuple(after_dashes)}


def _refusal(called: Command, what: str, *, code: ErrorCode, remedy: str = "") -> BadInput:
    remedy = remedy or f"deploy-action {called.name} --help"
    return BadInput(f"{called.name} {what}", remedy=remedy, code=code)


def _parser(program: str, options: Sequence[Option]) -> _Parser:
    """Return a parser whose result has only the options that are given."""
    parser = _Parser(
        prog=program, add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS
    )
    for each in options:
        if each.field == "help":
            parser.add_argument(*each.flags, action="store_true", dest="help", default=False)
        elif each.kind == "switch":
            parser.add_argument(*each.flags, action="store_true", dest=each.field)
        else:
            parser.add_argument(
                *each.flags, dest=each.field, type=_TYPES[each.kind], metavar=each.metavar
            )
    return parser


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _text(text: str) -> str:
    if not text.isprintable():
        raise argparse.ArgumentTypeError("control characters are not allowed")
    return text


_TYPES: Mapping[str, Callable[[str], Any]] = {
    "text": _text,
    "path": Path,
    "duration": _seconds,
    "count": _count,
}
