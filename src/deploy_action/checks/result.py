"""What one check came to, in words that may be shown to everybody."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CheckResult", "escape", "excerpt"]

_EXCERPT_CHARACTERS = 200
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """How one check ended.

    Attributes:
        where: what was asked ("replica 1 on web-1", "edge").
        seconds: from the first try to the verdict.
        attempts: tries that were made; 0 when nothing could be sent.
        detail: why it failed, expected against got; empty when it passed. Never holds a secret.
    """

    name: str
    where: str
    passed: bool
    seconds: float
    attempts: int
    detail: str = ""


def escape(text: str) -> str:
    """Make every character visible that could move a cursor, colour a terminal or end a line."""
    return "".join(
        character if character.isprintable() else _NAMED.get(character, _code(character))
        for character in text
    )


def excerpt(text: str, limit: int = _EXCERPT_CHARACTERS) -> str:
    """Return at most `limit` characters of outside text, escaped, and show when there is more."""
    return escape(text[:limit]) + ("…" if len(text) > limit else "")


def _code(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
