"""Tells which files are in the repository: what deploy.yaml names may come from a pull request."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["leads_out", "repository_of"]


def repository_of(folder: Path) -> Path:
    """Return the real path of the repository that a folder belongs to.

    It is the nearest folder above with ``.git``; without one the working directory, or the folder
    itself where it is elsewhere. Links below the repository do not move it.
    """
    here = Path(os.path.normpath(folder.absolute()))
    for above in (here, *here.parents):
        if (above / ".git").exists():
            return above.resolve()
    working = Path.cwd()
    return (working if here.is_relative_to(working) else here).resolve()


def leads_out(folder: Path, name: str) -> bool:
    """Tell whether a path is outside of the repository: absolute, by ``..``, or by a link.

    Args:
        folder: what the path is relative to.
    """
    try:
        return not (folder / name).resolve().is_relative_to(repository_of(folder))
    except (OSError, RuntimeError, ValueError):
        # A link that leads to itself, or no path at all.
        return True
