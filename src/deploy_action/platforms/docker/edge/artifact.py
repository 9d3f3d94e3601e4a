"""The edge's image as files: its directory and the name that its content has."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

__all__ = ["DIRECTORY", "revision", "tag"]

DIRECTORY = Path(__file__).with_name("image")


@cache
def tag() -> str:
    """Return the image's name; it changes with every change of its files."""
    digest = hashlib.sha256()
    for file in sorted(path for path in DIRECTORY.iterdir() if path.is_file()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return f"deploy-action-edge:{digest.hexdigest()[:12]}"


@cache
def revision() -> int:
    """Return the rising number of the image's content: a higher one replaces a lower one."""
    return int((DIRECTORY / "REVISION").read_text())
