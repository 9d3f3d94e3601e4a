"""A file read into plain data that still knows the line and column of every key and value."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deploy_action.problem import Problem

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
    """A place in a file; both numbers are 1-based, as editors count."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a file says, and where.

    Attributes:
        file: path as the user would type it.
        data: dictionaries with string keys, lists, strings, numbers, booleans and None.
        keys: where the key (for a list: the item) at a path begins.
        values: where the value at a path begins.
        written: the text of plain YAML scalars that YAML reads as something else than what
            they look like (``1.10`` → 1.1, ``no`` → false).
        problems: what is wrong and did not prevent reading (a duplicate key).
    """

    file: str
    data: object
    keys: Mapping[KeyPath, Position]
    values: Mapping[KeyPath, Position]
    written: Mapping[KeyPath, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def key_at(self, path: KeyPath) -> Position:
        """Return where the key at `path` begins, or the nearest key above it."""
        return self._nearest(self.keys, path)

    def value_at(self, path: KeyPath) -> Position:
        """Return where the value at `path` begins, or the nearest key above it."""
        return self.values[path] if path in self.values else self.key_at(path)

    def _nearest(self, places: Mapping[KeyPath, Position], path: KeyPath) -> Position:
        for length in range(len(path), 0, -1):
            if path[:length] in places:
                return places[path[:length]]
        return self.values.get((), Position(1, 1))


class Unreadable(Exception):
    """The file has no data to look at; `problems` says why."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


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
        Unreadable: it is missing, not a regular file, too big, or may not be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise Unreadable(Problem(file=file, message=f"this is {kind}", rule="not-a-file"))
        if status.st_size <= limit:
            with path.open("rb") as stream:
                content = stream.read(limit + 1)
            if len(content) <= limit:
                return content
    except (FileNotFoundError, NotADirectoryError):
        problem = Problem(file=file, message="there is no such file", rule="file-missing")
        raise Unreadable(problem) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problem = Problem(file=file, message=f"cannot be read: {reason}", rule="file-unreadable")
        raise Unreadable(problem) from error
    message = f"the file is bigger than {limit // 1024} KiB, which no configuration needs"
    raise Unreadable(Problem(file=file, message=message, rule="file-too-big"))


def parse(content: bytes, *, file: str, format: Format = "yaml", strict: bool = True) -> Document:
    """Read the bytes of a file.

    Args:
        content: at most `MAX_BYTES` should be given; see `read_bytes`.
        file: the name for problems.
        format: how to read it.
        strict: for YAML, refuse anchors, aliases and merge keys. Without it they are
            followed, within `MAX_NODES`.

    Raises:
        Unreadable: not UTF-8, empty, not well-formed, too deep or too large.
    """
    text = _decode(content, file)
    if not text.strip():
        problem = Problem(file=file, line=1, message="the file is empty", rule="empty-file")
        raise Unreadable(problem)
    if format == "yaml":
        from deploy_action.config.yaml_document import parse_yaml

        return parse_yaml(text, file=file, strict=strict)
    if format == "json":
        from deploy_action.config.json_document import parse_json

        return parse_json(text, file=file)
    from deploy_action.config.toml_document import parse_toml

    return parse_toml(text, file=file)


def _decode(content: bytes, file: str) -> str:
    hint = "save the file as UTF-8"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        message = "the file is UTF-16, not UTF-8"
        raise Unreadable(Problem(file=file, line=1, message=message, hint=hint, rule="not-utf8"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        message = f"byte 0x{content[error.start]:02x} is not UTF-8"
        problem = Problem(
            file=file, line=line, column=column, message=message, hint=hint, rule="not-utf8"
        )
        raise Unreadable(problem) from None
