"""Reads a file into plain data; YAML keeps the line and column of every key and value."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deploy_action.problem import Problem, Severity

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_NODES",
    "Document",
    "Format",
    "KeyPath",
    "Position",
    "Unreadable",
    "dotted",
    "format_of",
    "parse",
    "position_of",
    "read_bytes",
]

Format = Literal["yaml", "json", "toml"]
KeyPath = tuple[str | int, ...]

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 50_000

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_FORMATS: Mapping[str, Format] = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".toml": "toml",
}


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; both numbers are 1-based, 0 means unknown."""

    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The content of a file, and where it says what.

    Attributes:
        file: path as the user would type it.
        data: dictionaries with string keys, lists, strings, numbers, booleans and None.
        keys: where the key (for a list: the item) at a path begins; empty for JSON and TOML.
        values: where the value at a path begins; empty for JSON and TOML.
        written: the text of plain YAML scalars that YAML does not read as they look
            (``1.10`` → 1.1, ``no`` → false).
        problems: errors that did not prevent reading (a duplicate key).
    """

    file: str
    data: object
    keys: Mapping[KeyPath, Position] = field(default_factory=dict)
    values: Mapping[KeyPath, Position] = field(default_factory=dict)
    written: Mapping[KeyPath, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def key_at(self, path: KeyPath) -> Position:
        """Return where the key at `path` begins, or the nearest key above it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.keys:
                return self.keys[path[:length]]
        return self.values.get((), Position())

    def value_at(self, path: KeyPath) -> Position:
        """Return where the value at `path` begins, or the nearest key above it."""
        return self.values[path] if path in self.values else self.key_at(path)

    def problem(
        self,
        path: KeyPath,
        message: str,
        rule: str,
        *,
        hint: str = "",
        at_key: bool = False,
        severity: Severity = Severity.ERROR,
    ) -> Problem:
        """Return a problem with the value, or with the key, at `path`."""
        at = self.key_at(path) if at_key else self.value_at(path)
        return Problem(
            file=self.file,
            line=at.line,
            column=at.column,
            where=dotted(path),
            message=message,
            hint=hint,
            rule=rule,
            severity=severity,
        )


class Unreadable(Exception):
    """The file cannot be read into data; `problems` has the reasons."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems

    @classmethod
    def because(
        cls, file: str, rule: str, message: str, *, at: Position = Position(), hint: str = ""
    ) -> Unreadable:
        """Return the error for a single reason."""
        problem = Problem(
            file=file, line=at.line, column=at.column, message=message, hint=hint, rule=rule
        )
        return cls(problem)


def dotted(path: KeyPath) -> str:
    """Return a path as people write it: ``environments.staging.smoke[0].path``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _BARE_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{part!r}]"
    return text


def format_of(file: str) -> Format | None:
    """Return the format that a file's name promises, or None when it promises none."""
    return _FORMATS.get(Path(file).suffix.lower())


def position_of(text: str, offset: int) -> Position:
    """Return the line and column of a character offset."""
    line_start = text.rfind("\n", 0, offset) + 1
    return Position(text.count("\n", 0, offset) + 1, offset - line_start + 1)


def read_bytes(path: Path, *, file: str, limit: int = MAX_BYTES) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    Raises:
        Unreadable: it is missing, not a regular file, too big, or not permitted.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise Unreadable.because(file, "not-a-file", f"this is {kind}")
        if status.st_size <= limit:
            with path.open("rb") as stream:
                content = stream.read(limit + 1)
            if len(content) <= limit:
                return content
    except (FileNotFoundError, NotADirectoryError):
        raise Unreadable.because(file, "file-missing", "there is no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Unreadable.because(file, "file-unreadable", f"cannot be read: {reason}") from error
    message = f"the file is bigger than {limit // 1024} KiB, the most that a configuration may have"
    raise Unreadable.because(file, "file-too-big", message)


def parse(content: bytes, *, file: str, format: Format = "yaml", strict: bool = True) -> Document:
    """Read the bytes of a file.

    Args:
        content: at most `MAX_BYTES`; see `read_bytes`.
        file: the name for problems.
        format: how to read it.
        strict: for YAML, refuse anchors, aliases and merge keys. Without it they are
            followed, within `MAX_NODES`.

    Raises:
        Unreadable: not UTF-8, empty, not well-formed, too deep or too large.
    """
    text = _decode(content, file)
    if not text.strip():
        raise Unreadable.because(file, "empty-file", "the file is empty", at=Position(1))
    # The readers import this module, and each needs another library.
    if format == "yaml":
        from deploy_action.config.yaml_document import parse_yaml

        return parse_yaml(text, file=file, strict=strict)
    from deploy_action.config.json_and_toml import parse_json, parse_toml

    return parse_json(text, file=file) if format == "json" else parse_toml(text, file=file)


def _decode(content: bytes, file: str) -> str:
    hint = "save the file as UTF-8"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        message = "the file is UTF-16, not UTF-8"
        raise Unreadable.because(file, "not-utf8", message, at=Position(1), hint=hint)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        at = Position(before.count(b"\n") + 1, column)
        message = f"byte 0x{content[error.start]:02x} is not UTF-8"
        raise Unreadable.because(file, "not-utf8", message, at=at, hint=hint) from None
