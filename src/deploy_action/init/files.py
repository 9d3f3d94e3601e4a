"""Reads files of a repository, bounded, and finds them without dependencies and built files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["MOST_BYTES", "SKIPPED", "find_files", "read_text"]

MOST_BYTES = 400_000
"""Longer files are generated or data."""
SKIPPED = frozenset(
    [
        "node_modules",
        "bower_components",
        "vendor",
        "venv",
        "env",
        "site-packages",
        "__pycache__",
        "dist",
        "build",
        "target",
        "out",
        "coverage",
        "docs",
        "doc",
        "examples",
        "example",
        "test",
        "tests",
        "__tests__",
        "spec",
        "specs",
        "e2e",
        "fixtures",
        "migrations",
        "playwright",
        "cypress",
        "benchmarks",
    ]
)
_NOT_FOR_BUILDS = SKIPPED - {"build", "env"}


def find_files(root: Path, *, depth: int) -> Iterator[str]:
    """Yield the relative paths of what is at most `depth` directories below the root."""
    for base, directories, names in os.walk(root):
        here = Path(base).relative_to(root)
        directories[:] = [
            name
            for name in sorted(directories)
            if name not in _NOT_FOR_BUILDS
            and (not name.startswith(".") or name == ".docker")
            and len(here.parts) < depth
        ]
        yield from ((here / name).as_posix() for name in sorted(names))


def read_text(path: Path) -> str:
    """Return a file's text; empty when it is missing or longer than `MOST_BYTES`."""
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return ""
