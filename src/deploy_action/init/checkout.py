"""The git checkout around a directory, as git describes it; a URL's credentials are never shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from deploy_action.process import git

__all__ = ["Checkout", "Remote", "find_checkout"]

_REGISTRIES = {"github.com": "ghcr.io", "gitlab.com": "registry.gitlab.com"}
_SSH_OVER_HTTPS = {"ssh.github.com": "github.com", "altssh.gitlab.com": "gitlab.com"}
_URL = re.compile(
    r"(?:[a-z][a-z0-9+.-]*)://(?:[^/@]*@)?(\[[^\]]*\]|[^/:]+)(?::\d+)?/(.+)", re.IGNORECASE
)
_SCP = re.compile(r"(?:[^/@:]+@)?([^/:@]+):(?!/?/)/?(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A repository on a forge."""

    host: str
    path: str
    """Owner and name, with slashes, as written there."""

    @property
    def name(self) -> str:
        """The repository's own name."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def image(self) -> str | None:
        """Where the forge's registry would keep an image; None for an unknown forge."""
        registry = _REGISTRIES.get(self.host)
        parts = [
            re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") for part in self.path.split("/")
        ]
        return "/".join([registry, *parts]) if registry and all(parts) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """The checkout that a directory is in."""

    root: Path
    remote: Remote | None
    remote_name: str
    branch: str
    """The branch that deployments follow."""


def find_checkout(directory: Path) -> Checkout | None:
    """Ask git about a directory; None outside of a checkout, and without git."""
    root = git("rev-parse", "--show-toplevel", cwd=directory)
    if not root:
        return None
    remotes = git("remote", cwd=directory).splitlines()
    name = next((n for n in ("origin", "upstream") if n in remotes), next(iter(remotes), ""))
    url = git("remote", "get-url", "--", name, cwd=directory) if name else ""
    return Checkout(
        root=Path(root),
        remote=_parse(url),
        remote_name=name,
        branch=_branch(directory, name),
    )


def _parse(url: str) -> Remote | None:
    match = _URL.fullmatch(url) or _SCP.fullmatch(url)
    if not match:
        return None
    host = match[1].lower().removeprefix("www.")
    path = match[2].strip("/").removesuffix(".git").strip("/")
    return Remote(host=_SSH_OVER_HTTPS.get(host, host), path=path) if "/" in path else None


def _branch(directory: Path, remote: str) -> str:
    """Return the default branch: the remote's, else a usual name, else the one checked out."""
    branch = git(
        "symbolic-ref", "--quiet", "--short", f"refs/remotes/{remote}/HEAD", cwd=directory
    ).removeprefix(f"{remote}/")
    if not branch:
        heads = git("branch", "--format=%(refname:short)", cwd=directory).splitlines()
        branch = next((name for name in ("main", "master") if name in heads), "")
    branch = branch or git("symbolic-ref", "--quiet", "--short", "HEAD", cwd=directory)
    return branch if re.fullmatch(r"[\w./-]+", branch) else "main"
