"""Text for a terminal: colours, widths, and neutralising what came from outside."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "Style",
    "columns",
    "duration",
    "indent",
    "moment",
    "printable",
    "short",
    "short_version",
    "wrap",
]

# Tab and newline are layout; bidirectional overrides (category Cf) can make text lie.
_HARMLESS = "\t"
_HIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@dataclass(frozen=True, slots=True)
class Style:
    """Colours, or none: a disabled palette returns every text as it is."""

    enabled: bool = False

    def good(self, text: str) -> str:
        """Paint what went well."""
        return self._paint("32", text)

    def bad(self, text: str) -> str:
        """Paint what went wrong."""
        return self._paint("31", text)

    def warning(self, text: str) -> str:
        """Paint what a person should look at."""
        return self._paint("33", text)

    def strong(self, text: str) -> str:
        """Paint what is read first."""
        return self._paint("1", text)

    def quiet(self, text: str) -> str:
        """Paint what is read last."""
        return self._paint("2", text)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.enabled and text else text


def printable(text: str) -> str:
    r"""Return one line that a terminal cannot mistake for an instruction.

    Control characters (escape sequences, carriage returns, newlines) and invisible formatting
    characters (bidirectional overrides) become visible escapes such as ``\x1b``.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char
        if char in _HARMLESS or unicodedata.category(char) not in _HIDDEN_CATEGORIES
        else char.encode("unicode_escape", "backslashreplace").decode("ascii")
        for char in text
    )


def wrap(text: str, width: int, *, first: str = "", rest: str | None = None) -> list[str]:
    """Break text from outside or inside into lines of at most `width`, words kept whole.

    A word that is longer than a line (an URL, a digest) keeps its own line unbroken, so that
    it can still be copied. Each line of the text is wrapped by itself.
    """
    import textwrap

    following = " " * len(first) if rest is None else rest
    lines: list[str] = []
    for part in text.splitlines() or [""]:
        lines += textwrap.wrap(
            printable(part),
            max(width, 20),
            initial_indent=following if lines else first,
            subsequent_indent=following,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [following if lines else first.rstrip()]
    return lines


def indent(lines: Sequence[str], by: str = "  ") -> list[str]:
    """Return the lines moved to the right."""
    return [f"{by}{line}" if line else line for line in lines]


def columns(rows: Sequence[Sequence[str]], *, gap: str = "  ") -> list[str]:
    """Return rows of plain cells as lines with aligned columns."""
    if not rows:
        return []
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return [
        gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def duration(seconds: float) -> str:
    """Return a duration as people say it: ``0.4s``, ``12s``, ``3m05s``, ``2h10m``."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def moment(iso: str) -> str:
    """Return an ISO 8601 moment to the second, as ``2026-05-01 12:00:03Z``."""
    head, _, zone = iso.partition(".")
    utc = "Z" if not zone or zone.endswith(("Z", "+00:00")) else ""
    return head.replace("T", " ").removesuffix("+00:00").removesuffix("Z") + utc


def short_version(version: str) -> str:
    """Return a version as people say it: twelve digits of a commit, everything else whole."""
    return version[:12] if re.fullmatch("[0-9a-f]{40}(?:[0-9a-f]{24})?", version) else version


def short(digest: str) -> str:
    """Return the first twelve digits of a ``sha256:…`` digest or of a commit."""
    return digest.removeprefix("sha256:")[:12]
