"""Turns an argument list into a call, a help page or a plain refusal; it never exits or prints."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from deploy_action.cli.commands import COMMANDS, COMMON, Command, Option, command
from deploy_action.errors import BadInput

__all__ = ["Call", "Help", "Show", "VersionAsked", "parse", "suggestion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """How the answer is to be shown."""

    json: bool = False
    verbose: bool = False
    no_color: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A command with what was said on the command line; `fields` are fields of `Inputs`."""

    command: Command
    fields: Mapping[str, Any]
    show: Show


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    """Somebody asked for help: on one command, or on all (None)."""

    command: Command | None = None


class VersionAsked:
    """Somebody asked for the version of deploy-action."""


class _Parser(argparse.ArgumentParser):
    """argparse without its habit of printing and exiting."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(message, remedy=f"{self.prog} --help")


def parse(argv: Sequence[str]) -> Call | Help | VersionAsked:
    """Read the arguments after the program's name.

    Raises:
        BadInput: an unknown command or flag (with the nearest one), or a value that is wrong.
    """
    top = _parser("deploy-action", COMMON)
    top.add_argument("-V", "--version", action="store_true", dest="show_version", default=False)
    top.add_argument("command", nargs="?", default=None)
    top.add_argument("rest", nargs=argparse.REMAINDER, default=[])
    argv, after = _split(argv)
    before, unknown = top.parse_known_args(list(argv))
    if unknown:
        raise BadInput(
            f"unknown option {unknown[0]!r} before the command",
            cause="options of a command are written after it",
            remedy="deploy-action --help",
        )
    if before.show_version:
        return VersionAsked()
    if before.command in (None, "help"):
        return _help_on(before.rest)
    return _parse_command(_known(before.command), vars(before), before.rest, after)


def _split(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str] | None]:
    """Cut at the first `--`: what follows is for the command to run, never for us."""
    if "--" not in argv:
        return argv, None
    cut = list(argv).index("--")
    return argv[:cut], argv[cut + 1 :]


def _help_on(rest: Sequence[str]) -> Help:
    return Help(command=_known(rest[0])) if rest else Help()


def _known(name: str) -> Command:
    found = command(name)
    if found is None:
        names = [entry.name for entry in COMMANDS]
        raise BadInput(
            f"there is no command {name!r}{suggestion(name, names)}",
            remedy="deploy-action --help",
        )
    return found


def _parse_command(
    found: Command,
    before: Mapping[str, Any],
    rest: Sequence[str],
    after: Sequence[str] | None,
) -> Call | Help:
    parser = _parser(f"deploy-action {found.name}", (*found.options, *COMMON))
    if found.words is not None and found.words.choices:
        parser.add_argument(found.words.field, nargs="?", default=None)
    values, unknown = parser.parse_known_args(list(rest))
    if values.help or before.get("help"):
        return Help(command=found)
    if unknown:
        flags = [flag for option in (*found.options, *COMMON) for flag in option.flags]
        flag = unknown[0].partition("=")[0]
        raise BadInput(
            f"{found.name} does not take {flag!r}{suggestion(flag, flags)}",
            remedy=f"deploy-action {found.name} --help",
        )
    said = {key: value for key, value in before.items() if key in _COMMON_FIELDS} | vars(values)
    del said["help"]
    said |= _words(found, said, after)
    show = Show(**{key: said.pop(key) for key in ("json", "verbose", "no_color") if key in said})
    return Call(command=found, fields=said, show=show)


def _words(
    found: Command, said: Mapping[str, Any], after: Sequence[str] | None
) -> Mapping[str, Any]:
    """Return what was said besides options; it is needed where the command takes any."""
    words = found.words
    if after is not None and (words is None or words.choices):
        raise BadInput(
            f"{found.name} takes nothing after --", remedy=f"deploy-action {found.name} --help"
        )
    if words is None:
        return {}
    given = said.get(words.field)
    if given in words.choices:
        return {}
    if given is not None:
        raise BadInput(
            f"{found.name} takes {words.usage}, not {given!r}{suggestion(given, words.choices)}",
            remedy=f"deploy-action {found.name} --help",
        )
    if words.choices or not after:
        raise BadInput(
            f"{found.name} needs {words.usage}: {words.help}",
            remedy=f"for example: {found.examples[0][0]}",
        )
    return {words.field: tuple(after)}


_COMMON_FIELDS = tuple(option.field for option in COMMON if option.field != "help")


def _parser(program: str, options: Sequence[Option]) -> _Parser:
    """Return a parser whose result has only what was really said."""
    parser = _Parser(
        prog=program, add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS
    )
    for option in options:
        if option.field == "help":
            parser.add_argument(*option.flags, action="store_true", dest="help", default=False)
        elif option.kind == "switch":
            parser.add_argument(*option.flags, action="store_true", dest=option.field)
        else:
            parser.add_argument(
                *option.flags, dest=option.field, type=_TYPES[option.kind], metavar=option.metavar
            )
    return parser


def _seconds(text: str) -> float:
    from deploy_action.units import parse_duration

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


def suggestion(word: str, known: Sequence[str]) -> str:
    """Return `; did you mean '…'?` for the nearest of the known words, or nothing."""
    import difflib

    near = [name for name in known if len(word) > 3 and name.startswith(word)]
    near = near or difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
