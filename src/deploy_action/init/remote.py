"""Where a git checkout comes from, read from its files; never shows credentials of a URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Checkout", "Remote", "find"]

_REGISTRIES = {"github.com": "ghcr.io", "gitlab.com": "registry.gitlab.com"}
_URL = re.compile(
    r"(?:[a-z][a-z0-9+.-]*)://(?:[^/@]*@)?(\[[^\]]*\]|[^/:]+)(?::\d+)?/(.+)", re.IGNORECASE
)
_SCP = re.compile(r"(?:[^/@:]+@)?([^/:@]+):(?!/?/)/?(.+)")
_SECTION = re.compile(r'\[\s*remote\s+"((?:[^"\\]|\\.)*)"\s*\]', re.IGNORECASE)
_SETTING = re.compile(r"url\s*=\s*\"?([^\"\s#;]+)", re.IGNORECASE)


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
    """The checkout that a directory lies in."""

    root: Path
    remote: Remote | None
    remote_name: str
    branch: str
    """The branch that deployments follow."""


def find(directory: Path) -> Checkout | None:
    """Find the checkout above a directory; None when there is none."""
    for candidate in (directory, *directory.parents):
        git = _git_directory(candidate / ".git")
        if git:
            remotes = _remotes(git)
            name = next(
                (n for n in ("origin", "upstream") if n in remotes), next(iter(remotes), "")
            )
            remote = _parse(remotes[name]) if name else None
            return Checkout(
                root=candidate, remote=remote, remote_name=name, branch=_branch(git, name)
            )
    return None


def _git_directory(path: Path) -> Path | None:
    if path.is_dir():
        return path
    pointer = re.match(r"gitdir:\s*(.+)", _read(path))  # a work tree or a submodule
    if not pointer:
        return None
    git = path.parent / pointer[1].strip()
    common = _read(git / "commondir").strip()
    return git / common if common else git


def _remotes(git: Path) -> dict[str, str]:
    remotes: dict[str, str] = {}
    name: str | None = None
    for line in _read(git / "config").splitlines():
        text = line.strip()
        if text.startswith("["):
            section = _SECTION.match(text)
            name = section[1] if section else None
        elif name is not None and (setting := _SETTING.match(text)):
            remotes.setdefault(name, setting[1])
    return remotes


def _parse(url: str) -> Remote | None:
    match = _URL.fullmatch(url) or _SCP.fullmatch(url)
    if not match:
        return None
    host = match[1].lower().removeprefix("www.")
    if host in {"ssh.github.com", "altssh.gitlab.com"}:  # ssh through port 443
        host = host.replace("altssh.", "").replace("ssh.", "")
    path = match[2].strip("/").removesuffix(".git").strip("/")
    return Remote(host=host, path=path) if "/" in path else None


def _branch(git: Path, remote: str) -> str:
    """Find the default branch: what the remote says, a usual name, what is checked out."""
    said = _points_at(git / "refs" / "remotes" / remote / "HEAD", f"refs/remotes/{remote}/")
    packed = _read(git / "packed-refs")
    usual = [
        name
        for name in ("main", "master")
        if (git / "refs" / "heads" / name).is_file() or f" refs/heads/{name}\n" in packed
    ]
    branch = said or next(iter(usual), "") or _points_at(git / "HEAD", "refs/heads/")
    return branch if re.fullmatch(r"[\w./-]+", branch) else "main"


def _points_at(file: Path, prefix: str) -> str:
    text = _read(file).removeprefix("ref:").strip()
    return text.removeprefix(prefix) if text.startswith(prefix) else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
