"""Pieces of GitHub-flavoured Markdown in which text from outside stays text; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from deploy_action.render.text import printable

__all__ = [
    "alert",
    "code",
    "details",
    "escape_markdown",
    "fenced",
    "link",
    "prose",
    "table",
    "truncate",
]

_MOST_FENCE = 256
_COMMAND = re.compile(
    r"(?:deploy-action|docker|ssh|ssh-keyscan|openssl|git|apt-get|export|sudo|make) [^;,`…]*?"
    r"(?=$|[;,]| \(| (?:and|for|or|shows|starts|takes|then|to|undoes|when|on the host|there) )"
)
"""A command that a sentence begins with, up to where its prose goes on."""


def escape_markdown(raw: str) -> str:
    """Let text from outside be nothing but text: no markup, no table cell, no line of its own."""
    flat = " ".join(printable(raw).split())
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|~@$:])", r"\\\1", flat)
    # Only at the beginning they mean anything: a list, a rule, or a heading of the line before.
    escaped = re.sub(r"^(\d*)([-=]|\.(?=\s|$))", r"\1\\\2", escaped)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(raw: str) -> str:
    """Show a name as it is written; a backtick or a bar would end it, in a table too."""
    flat = " ".join(printable(raw).split()).replace("`", "'").replace("|", "¦")
    return f"`{flat}`" if flat else ""


def prose(raw: str) -> str:
    """Show a sentence as one, with what it quotes in backticks, and a command at its start, as code."""
    command, rest = "", raw
    if found := _COMMAND.match(raw):
        command, rest = code(found[0].strip()), raw[found.end() :]
    parts = re.split(r"`([^`\n]+)`", rest)
    shown = (code(part) if i % 2 else _spaced(part) for i, part in enumerate(parts))
    return f"{command}{''.join(shown)}"


def _spaced(raw: str) -> str:
    """Escape a piece of a sentence and keep the blanks at its ends."""
    before = " " if raw[:1].isspace() else ""
    after = " " if raw[-1:].isspace() and raw.strip() else ""
    return f"{before}{escape_markdown(raw)}{after}"


def link(label: str, url: str) -> str:
    """Link a label that is Markdown already; an address that could be more than one is left out."""
    return f"[{label}]({url})" if re.fullmatch(r"https?://[^\s<>()|\\]+", url) else label


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, or nothing where there are no rows; the cells are Markdown already."""
    if not rows:
        return ""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def details(title: str, content: str, *, open_: bool) -> str:
    """Fold content away below a title, or show it unfolded."""
    state = " open" if open_ else ""
    return f"<details{state}><summary>{title}</summary>\n\n{content}\n\n</details>"


def alert(kind: str, paragraphs: Iterable[str]) -> str:
    """Return one of GitHub's coloured boxes: NOTE, TIP, IMPORTANT, WARNING or CAUTION."""
    return f"> [!{kind}]\n> " + "\n>\n> ".join(paragraphs)


def fenced(lines: Iterable[str]) -> str:
    """Show lines as they are; the fence is longer than any that they hold."""
    content = "\n".join(printable(line) for line in lines)
    longest = max((len(run) for run in re.findall(r"`+", content)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{content}\n{fence}"


def truncate(markdown: str, room: int, note: str) -> bytes:
    """Cut a page that is longer than `room` bytes, and end it with a note."""
    cut = note.encode()
    kept = markdown.encode()[: max(room - len(cut) - _MOST_FENCE, 0)].decode(errors="ignore")
    return (kept.encode() + _end_of_fence(kept) + cut)[: max(room, 0)]


def _end_of_fence(markdown: str) -> bytes:
    """Return what ends a code block that was cut, so that the note is not part of it."""
    fence = ""
    for line in markdown.splitlines():
        if not fence and line.startswith("```"):
            fence = line[: len(line) - len(line.lstrip("`"))]
        elif line == fence:
            fence = ""
    return f"\n{fence}".encode()[:_MOST_FENCE] if fence else b""
