"""The files that take a step's outputs and its summary."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from deploy_action.render.markdown import truncate

__all__ = ["add_summary", "set_outputs"]

_MOST_BYTES = 1024 * 1024
_CUT = "\n\n*This page was cut at GitHub's limit of 1 MiB.*\n"


def set_outputs(environ: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Append outputs to the file that GITHUB_OUTPUT names, if any.

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
    """Append to the page that GITHUB_STEP_SUMMARY names, cut at GitHub's limit."""
    name = environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        return
    content = markdown.encode()
    with Path(name).open("ab") as file:
        room = _MOST_BYTES - file.tell()
        file.write(truncate(markdown, room, _CUT) if len(content) > room else content)
