"""Selects the Python files to scan: paths and globs in, a sorted list and problems out."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from deploy_action.problem import Problem
from deploy_action.repository import leads_out

__all__ = ["Selection", "SourceFile", "matches", "select"]

SUFFIXES = (".py", ".pyw")
# The directories that bandit leaves out. bandit compares them as substrings, which also hides
# .github and every file below a directory like x.git-mirror; here they are whole names.
NEVER = ("**/.svn", "**/CVS", "**/.bzr", "**/.hg", "**/.git", "**/__pycache__", "**/.tox")
_SPECIAL = re.compile(r"(\*\*/|/\*\*$|\*\*|\*|\?)")
_DIRECTORIES, _IN_DIRECTORIES = "**/", "**/+"
"""No directory or more, and the place before the slash of one of them."""
NEVER_EGGS = ("**/.eggs", "**/*.egg")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file to scan: its path relative to the root, with slashes, and its size."""

    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The files below the paths, and what cannot be scanned."""

    files: tuple[SourceFile, ...]
    problems: tuple[Problem, ...]


def select(root: Path, paths: Sequence[str], exclude: Sequence[str]) -> Selection:
    """Find the Python files below `paths`, and report all that cannot be scanned.

    Args:
        root: the directory that every path is relative to.
        paths: files (scanned whatever their name is) and directories, relative to `root`.
        exclude: globs over relative paths. ``*`` stops at a slash, ``**`` does not; a
            directory that matches is left out with everything in it.

    Each path must lead to at least one file: a path without one is a problem.
    Symbolic links to directories are not followed, as in bandit.
    """
    excluded = (*NEVER, *NEVER_EGGS, *exclude)
    files: dict[str, SourceFile] = {}
    problems: list[Problem] = []
    for path in paths:
        relative = os.path.normpath(path)
        escapes = Path(path).is_absolute() or Path(relative).parts[:1] == ("..",)
        if escapes or leads_out(root, relative):
            problems.append(_problem(path, "lies outside the repository", rule="outside"))
            continue
        below: list[str] = []
        if (root / relative).is_dir():
            below = _walk(root, relative, excluded, problems)
        elif os.path.lexists(root / relative):
            below = [] if matches(relative, excluded) else [relative]
        else:
            problems.append(_problem(path, "does not exist", rule="missing-path"))
            continue
        regular = [file for name in below if (file := _regular_file(root, name, problems))]
        if not below:
            problems.append(
                _problem(path, "contains no Python file to scan", rule="nothing-to-scan")
            )
        files.update({file.path: file for file in regular})
    ordered = tuple(files[name] for name in sorted(files))
    return Selection(files=ordered, problems=tuple(dict.fromkeys(problems)))


def matches(path: str, globs: Iterable[str]) -> bool:
    """Tell whether the path or one of the directories above it matches one of the globs."""
    return any(_reaches(_tokens(glob), path) for glob in globs)


def _walk(
    root: Path, directory: str, excluded: Sequence[str], problems: list[Problem]
) -> list[str]:
    def report(error: OSError) -> None:
        name = os.path.relpath(error.filename, root)
        problems.append(_problem(name, f"cannot be listed: {error.strerror}", rule="unreadable"))

    selected = []
    for base, directories, names in os.walk(root / directory, onerror=report):
        here = os.path.relpath(base, root)
        prefix = "" if here == "." else f"{here}/"
        directories[:] = sorted(d for d in directories if not matches(prefix + d, excluded))
        python = (prefix + name for name in names if name.endswith(SUFFIXES))
        selected += [name for name in python if not matches(name, excluded)]
    return selected


def _regular_file(root: Path, name: str, problems: list[Problem]) -> SourceFile | None:
    if (root / name).is_symlink() and leads_out(root, name):
        problems.append(_problem(name, "leads out of the repository", rule="outside"))
        return None
    try:
        status = (root / name).stat()
    except OSError as error:
        problems.append(_problem(name, f"cannot be read: {error.strerror}", rule="unreadable"))
        return None
    if not stat.S_ISREG(status.st_mode):
        # Opening a named pipe waits for ever.
        problems.append(_problem(name, "is not a regular file", rule="unreadable"))
        return None
    return SourceFile(path=name, size_bytes=status.st_size)


def _problem(file: str, message: str, *, rule: str) -> Problem:
    return Problem(file=file, message=message, rule=rule)


@lru_cache(maxsize=1024)
def _tokens(glob: str) -> tuple[str, ...]:
    """Return the glob's characters, with `*`, `**`, `?`, and two tokens for `**/`."""
    tokens: list[str] = []
    for piece in _SPECIAL.split(glob.removeprefix("./").rstrip("/")):
        match piece:
            case "**/":
                tokens += [_DIRECTORIES, _IN_DIRECTORIES]
            case "/**":
                tokens += ["/", "**"]
            case "**" | "*" | "?":
                tokens.append(piece)
            case _:
                tokens += piece
    return tuple(tokens)


def _reaches(tokens: Sequence[str], path: str) -> bool:
    """Tell whether the tokens match the path up to a slash or to its end.

    The path is read once, with the set of places in the glob where what was read may lead: there are no
    ways to divide a path that would have to be tried one after the other.
    """
    here = _closed(tokens, {0})
    for character in path:
        if character == "/" and len(tokens) in here:
            return True
        here = _closed(tokens, set(_following(tokens, here, character)))
        if not here:
            return False
    return len(tokens) in here


def _following(tokens: Sequence[str], here: set[int], character: str) -> Iterator[int]:
    for place in here:
        token = tokens[place] if place < len(tokens) else ""
        if token in ("**", _IN_DIRECTORIES) or (token == "*" and character != "/"):
            yield place
        if token == character or (token == "?" and character != "/"):
            yield place + 1
        if token == _IN_DIRECTORIES and character == "/":
            yield place + 1


def _closed(tokens: Sequence[str], here: set[int]) -> set[int]:
    """Add the places that are reached without another character."""
    for place in sorted(here):
        following = place
        while following < len(tokens) and tokens[following] in ("*", "**", _DIRECTORIES):
            if tokens[following] == _DIRECTORIES:
                here.add(following + 1)
                following += 1
            following += 1
            here.add(following)
    return here
