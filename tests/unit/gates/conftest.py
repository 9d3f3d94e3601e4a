"""A repository to scan, and how to fill it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Fill = Callable[..., Path]


@pytest.fixture
def fill(tmp_path: Path) -> Fill:
    """Write files into a fresh repository: `fill({"src/a.py": "pass"})` returns its root."""

    def write(files: dict[str, str | bytes]) -> Path:
        root = tmp_path / "repository"
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    return write
