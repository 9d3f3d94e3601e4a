"""Who runs a command and from which commit, where no option says it."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from urllib.parse import urlsplit

from deploy_action.process import git

__all__ = ["actor", "commit", "repository", "repository_of"]


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


def repository(environ: Mapping[str, str]) -> str:
    """Return OWNER/NAME: GitHub's, else the path of git's remote `origin`; empty without one."""
    return environ.get("GITHUB_REPOSITORY") or repository_of(git("remote", "get-url", "origin"))


def repository_of(url: str) -> str:
    """Return the path of a git URL, which may be ``git@host:owner/name.git``, without `.git`."""
    path = urlsplit(url).path if "://" in url else url.rpartition(":")[2]
    return path.strip("/").removesuffix(".git")
