"""Reads a configuration file that deploy.yaml names, to hand it to the application."""

from __future__ import annotations

from pathlib import Path

from deploy_action.repository import leads_out

__all__ = ["MOST_BYTES", "text_of"]

MOST_BYTES = 512 << 10
"""Of one file."""


def text_of(root: Path, name: str) -> str:
    """Return the text of a file that deploy.yaml names.

    Raises:
        ValueError: it leads out of the repository, is missing or too large, or is no text.
    """
    if leads_out(root, name):
        raise ValueError("it leads out of the repository")
    try:
        with (root / name).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    if len(content) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES >> 10} KiB")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None
    if "\0" in text:
        raise ValueError("it is no text: it has a null character")
    return text
