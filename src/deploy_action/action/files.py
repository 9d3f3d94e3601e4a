"""The files through which a step hands on outputs and its summary."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

__all__ = ["add_summary", "set_outputs", "shortened"]

_MOST_BYTES = 1024 * 1024
_MOST_FENCE = 256
_CUT = "\n\n*This page was cut at GitHub's limit of 1 MiB.*\n"


def set_outputs(environ: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Append outputs to the file that GITHUB_OUTPUT names; nothing happens where it names none.

    A random delimiter keeps a value from ending itself early and adding outputs of its own.
    """
    name = environ.get("GITHUB_OUTPUT")
    if not name:
        return
    blocks = []
    for key, value in values.items():
        delimiter = f"end-{secrets.token_hex(16)}"
        blocks.append(f"{key}<<{delimiter}\n{value}\n{delimiter}\n")
    with Path(name).open("a", encoding="utf-8") as file:
        file.write("".join(blocks))


def add_summary(environ: Mapping[str, str], markdown: str) -> None:
    """Append to the page that GITHUB_STEP_SUMMARY names; a page that is too long says so."""
    name = environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        return
    content = markdown.encode()
    with Path(name).open("ab") as file:
        room = _MOST_BYTES - file.tell()
        file.write(shortened(markdown, room, _CUT) if len(content) > room else content)


def shortened(markdown: str, room: int, note: str) -> bytes:
    """Cut a page that is longer than so many bytes, and end it with a note that says so."""
    cut = note.encode()
    kept = markdown.encode()[: max(room - len(cut) - _MOST_FENCE, 0)].decode(errors="ignore")
    return (kept.encode() + _end_of_fence(kept) + cut)[: max(room, 0)]


def _end_of_fence(markdown: str) -> bytes:
    """Return what ends a code block that was cut, or the note below would be a part of it."""
    fence = ""
    for line in markdown.splitlines():
        if not fence and line.startswith("```"):
            fence = line[: len(line) - len(line.lstrip("`"))]
        elif line == fence:
            fence = ""
    return f"\n{fence}".encode()[:_MOST_FENCE] if fence else b""
