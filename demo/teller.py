"""Prints the story: chapters, commands with their output, results."""

from __future__ import annotations

import os
import re
import shutil
import textwrap
from dataclasses import dataclass
from typing import TextIO

__all__ = ["Teller", "plain"]

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(slots=True, kw_only=True)
class Teller:
    """Prints the story, in colour on a terminal."""

    stream: TextIO
    colours: bool
    width: int
    _chapter: int = 0

    @classmethod
    def for_terminal(cls, stream: TextIO) -> Teller:
        """Return a teller for this stream; respects NO_COLOR (https://no-color.org)."""
        return cls(
            stream=stream,
            colours=stream.isatty() and not os.environ.get("NO_COLOR"),
            width=min(max(shutil.get_terminal_size((100, 40)).columns, 60), 100),
        )

    def title(self, text: str, *lines: str) -> None:
        """Print the title."""
        self._write("", f"  {self._paint('1', text)}", "")
        self._write(*(f"  {line}" for line in lines))

    def chapter(self, text: str) -> None:
        """Print the heading of a chapter."""
        self._chapter += 1
        head = f"── {self._chapter}  {text} "
        self._write("", self._paint("1;36", head + "─" * max(0, self.width - len(head))), "")

    def command(self, argv: tuple[str, ...]) -> None:
        """Print a command as it is typed."""
        typed = " ".join(f"'{part}'" if " " in part else part for part in argv)
        self._write(f"  {self._paint('2', '$')} {self._paint('1', f'deploy-action {typed}')}")

    def output(self, line: str) -> None:
        """Print a line of a command's output."""
        lines = [line]
        if len(plain(line)) > self.width - 4:
            # A long line is wrapped, which costs its colours.
            lines = textwrap.wrap(plain(line), self.width - 4, subsequent_indent=" " * 9)
        self._write(*(f"  {self._paint('2', '│')} {part}".rstrip() for part in lines))

    def came_of_it(self, text: str) -> None:
        """Print the result of a chapter."""
        self._write(f"  {self._paint('1;32', '→')} {text}")

    def say(self, *lines: str) -> None:
        """Print plain lines."""
        self._write(*(f"  {line}".rstrip() for line in lines))

    def done(self, text: str) -> None:
        """Print the final result."""
        self._write("", f"  {self._paint('1;32', '✓')} {self._paint('1', text)}")

    def fail(self, text: str) -> None:
        """Print why the story failed."""
        self._write("", f"  {self._paint('1;31', '✗')} {self._paint('1', text)}", "")

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colours else text

    def _write(self, *lines: str) -> None:
        self.stream.write("".join(f"{line}\n" for line in lines))
        self.stream.flush()


def plain(line: str) -> str:
    """Return a line without colours."""
    return _ESCAPES.sub("", line)
