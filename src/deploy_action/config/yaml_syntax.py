"""Syntax errors of PyYAML in words for people who write YAML."""

from __future__ import annotations

import yaml

from deploy_action.config.document import position_of
from deploy_action.problem import Problem

__all__ = ["syntax_problem"]

_WORDS = {
    "mapping values are not allowed in this context": (
        "a second ':' in one line, or a wrong indentation",
        "put the value in quotes if the ':' belongs to it",
    ),
    "found character that cannot start any token": (
        "this character cannot begin a value",
        "YAML wants spaces for indentation and quotes around special characters",
    ),
    "found unexpected end of stream": ("the quote that begins here is never closed", ""),
    "did not find expected ',' or ']'": ("a ',' or ']' is missing in the list", ""),
    "did not find expected ',' or '}'": ("a ',' or '}' is missing in the map", ""),
    "did not find expected '-' indicator": (
        "a list item that begins with '- ' was expected",
        "list items and keys cannot be mixed at one level",
    ),
    "did not find expected key": ("a key was expected", "check the indentation"),
    "could not find expected ':'": ("a ':' is missing after the key", ""),
}


def syntax_problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    """Return an error of PyYAML or libyaml as a problem at its place.

    A quote that is never closed is reported where it begins, not at the end of the file.
    """
    if isinstance(error, yaml.reader.ReaderError):
        at = position_of(text, error.position)
        message = f"control character U+{_code_point(error.character):04X} is not allowed in YAML"
        return Problem(
            file=file, line=at.line, column=at.column, message=message, rule="yaml-syntax"
        )
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(file=file, message=str(error), rule="yaml-syntax")
    what = error.problem or "not well-formed"
    message, hint = _WORDS.get(what, (what, ""))
    quoted = what == "found unexpected end of stream"
    mark = (error.context_mark if quoted else None) or error.problem_mark or error.context_mark
    if mark is None:
        return Problem(file=file, message=f"not valid YAML: {message}", rule="yaml-syntax")
    lines = text.split("\n")
    if mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t":
        message, hint = "a tab where YAML wants spaces", "indent with spaces"
    return Problem(
        file=file,
        line=mark.line + 1,
        column=mark.column + 1,
        message=f"not valid YAML: {message}",
        hint=hint,
        rule="yaml-syntax",
    )


def _code_point(character: object) -> int:
    """Return the code point that a ReaderError names: an int from libyaml, else a string."""
    return character if isinstance(character, int) else ord(str(character)[:1] or "\0")
