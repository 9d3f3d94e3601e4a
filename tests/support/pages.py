"""The pages for people, and their fenced blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BLOCKS", "GENERATED", "PAGES", "Block"]

ROOT = Path(__file__).parents[2]
GENERATED = {
    "docs/reference/commands.md",
    "docs/reference/configuration.md",
    "docs/reference/reliability.md",
}
PAGES = sorted(
    path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str

    @property
    def id(self) -> str:
        """Its page and line."""
        return f"{self.page}:{self.line}"


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for match in re.finditer(r"^( *)```(\S*)\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL):
        indent, language, inner = match.groups()
        lines = (line.removeprefix(indent) for line in inner.splitlines(keepends=True))
        yield Block(
            page=page,
            line=text.count("\n", 0, match.start()) + 1,
            language=language,
            text="".join(lines),
        )


BLOCKS = [block for page in PAGES if page not in GENERATED for block in blocks(page)]
