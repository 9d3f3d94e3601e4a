"""Who runs a command and from which commit, where no option says it."""

from __future__ import annotations

import getpass
from collections.abc import Mapping

from deploy_action.process import git

__all__ = ["actor", "commit"]


def actor(environ: Mapping[str, str]) -> str:
    """Return git's user.name, else the login name, else "unknown"."""
    name = git("config", "user.name")
    if name:
        return name
    try:
        return environ.get("USER") or getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def commit() -> str:
    """Return the commit that is checked out; empty outside of a repository."""
    return git("rev-parse", "--verify", "--quiet", "HEAD")
