"""The files of the edge's image, and the names that follow from their content."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

__all__ = ["DIRECTORY", "revision", "tag"]

DIRECTORY = Path(__file__).with_name("image")


@cache
def tag() -> str:
    """Return the image's name, with a hash of its files."""
    digest = hashlib.sha256()
    for file in sorted(path for path in DIRECTORY.iterdir() if path.is_file()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return f"deploy-action-edge:{digest.hexdigest()[:12]}"


@cache
def revision() -> int:
    """Return the revision of the image's content; an edge of a lower one is replaced."""
    return int((DIRECTORY / "REVISION").read_text())
