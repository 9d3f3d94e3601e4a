"""The workflow of a checkout that rolls back when somebody presses Run workflow."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["rollback_button"]

_ROLLS_BACK = re.compile(
    r"^\s*(?:- )?(?:uses:.*(?:/rollback\.yml@|/rollback@)|command: *rollback\b)", re.MULTILINE
)
_MOST_BYTES = 100_000


def rollback_button(repository_url: str, checkout: Path) -> str:
    """Return the address of the button's page; empty where the checkout has no such workflow."""
    for file in sorted((checkout / ".github/workflows").glob("*.y*ml")) if repository_url else ():
        try:
            text = file.read_bytes()[:_MOST_BYTES].decode(errors="replace")
        except OSError:
            continue
        if re.search(r"^ *workflow_dispatch:", text, re.MULTILINE) and _ROLLS_BACK.search(text):
            return f"{repository_url}/actions/workflows/{file.name}"
    return ""
