"""The source that a build takes: its commit, and whether a version may be its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from deploy_action.errors import BadInput, ErrorCode
from deploy_action.process import git

__all__ = ["Checkout", "read_checkout", "require_own_version"]

_COMMIT = re.compile(r"(?=.*[a-f])(?:[0-9a-f]{12}|[0-9a-f]{40})")
"""A version that can only be a commit: digits alone may be a date."""
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """What is checked out where an image is built.

    Attributes:
        head: the commit; empty outside of a repository.
        changed: tracked files in the build's context that differ from it, without deploy.yaml.
        named: the commit that the version names: a git tag, or a commit's own id; empty for neither.
    """

    head: str = ""
    changed: tuple[str, ...] = ()
    named: str = ""

    @property
    def commit(self) -> str:
        """The commit that the image is built from; empty where no commit has this source."""
        return "" if self.changed else self.head

    @property
    def changes(self) -> str:
        """The changed files, for people."""
        more = len(self.changed) - _SHOWN
        return ", ".join(self.changed[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def read_checkout(config: Path, context: str, version: str) -> Checkout:
    """Ask git about a build's context; it is empty where git does not know or does not answer.

    Args:
        config: deploy.yaml. A change in it is no change of the source: the release records it.
        context: relative to the directory of deploy.yaml.
    """
    root = config.parent / context
    top, _, head = git("rev-parse", "--show-toplevel", "HEAD", cwd=root).partition("\n")
    # The header shows that git did answer.
    header, *lines = git(
        *("--no-optional-locks", "status", "--porcelain", "--branch"),
        *("--untracked-files=no", "--", "."),
        cwd=root,
    ).splitlines() or [""]
    if not head or not header:
        return Checkout()
    files = (line.split(maxsplit=1)[-1] for line in lines)
    return Checkout(
        head=head,
        changed=tuple(file for file in files if (Path(top) / file).resolve() != config.resolve()),
        named=_named(root, version),
    )


def _named(context: Path, version: str) -> str:
    for name in (f"refs/tags/{version}", f"refs/tags/v{version}"):
        commit = git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", cwd=context)
        if commit:
            return commit
    return version if _COMMIT.fullmatch(version) else ""


def require_own_version(version: str, checkout: Checkout) -> None:
    """Refuse a version that names a commit where the source is not that commit's.

    Raises:
        BadInput: another commit is checked out, or files differ from it.
    """
    if not checkout.head or not checkout.named:
        return
    if not checkout.head.startswith(checkout.named):
        raise BadInput(
            f"version {version} is commit {checkout.named[:12]}, but {checkout.head[:12]} is "
            "checked out",
            cause="a build would give today's source the name of another commit",
            remedy=f"git checkout {checkout.named[:12]}, or deploy-action rollback --to {version} for "
            "what was deployed before",
            code=ErrorCode.VERSION_TAKEN,
        )
    if checkout.changed:
        raise BadInput(
            f"version {version} is commit {checkout.head[:12]}, but files differ from it: "
            f"{checkout.changes}",
            cause="the image would not be what the commit says",
            remedy="git commit, or pass another name: --version NAME",
            code=ErrorCode.SOURCE_CHANGED,
        )
