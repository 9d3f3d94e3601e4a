"""Lint of files that a container gets: secrets, and configuration files of the repository."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from deploy_action.config.document import KeyPath
from deploy_action.config.lint.scope import Finding, Rule, Scope, error
from deploy_action.config.secret_detection import looks_secret

__all__ = ["RULES", "contents"]

MOST_FILE_BYTES = 64 << 10
"""Of all configuration files together: each entry of the ledger has them."""

_KERNEL = ("/dev", "/proc", "/sys")
"""Mounted anew whenever a container starts."""


def _same_place(scope: Scope) -> Iterator[Finding]:
    paths = set[str]()
    for place, path in _files(scope):
        above = next((known for known in paths if _is_below(path, known)), None)
        below = next((known for known in paths if _is_below(known, path)), None)
        if other := above or below:
            yield error(
                "duplicate-file",
                place,
                f"{path} and {other} cannot both be files"
                if other != path
                else f"{path} would be written twice",
                "give each file a path of its own",
                at_key=place[0] == "files",
            )
        paths.add(path)


def _hidden(scope: Scope) -> Iterator[Finding]:
    """Yield files that the application would not see, or that would outlive the container."""
    environment = scope.environment
    tmpfs = [posixpath.normpath(mount.partition(":")[0]) for mount in environment.tmpfs]
    kept = (*(volume.target for volume in environment.volumes), *environment.ephemeral)
    for place, path in _files(scope):
        directory = posixpath.dirname(path)
        mount = next((each for each in kept if _is_below(path, posixpath.normpath(each))), None)
        at_key = place[0] == "files"
        example = "/etc/shop" if at_key else "/run/secrets"
        hint = f"write it to a directory of its own, such as {example}"
        if mount is not None:
            yield error(
                "file-in-volume",
                place,
                f"{path} is in the volume at {mount}, where it would outlive its release",
                hint,
                at_key=at_key,
            )
        elif directory in tmpfs or any(_is_below(path, each) for each in _KERNEL):
            yield error(
                "file-hidden",
                place,
                f"at {directory} something else is mounted when the container starts",
                hint,
                at_key=at_key,
            )
        elif environment.read_only and directory == "/":
            message = f"nothing can be written to {path}: read_only is set"
            yield error("file-hidden", place, message, hint, at_key=at_key)


def _content(scope: Scope) -> Iterator[Finding]:
    yield from contents(scope, {("files", path): name for path, name in _sources(scope).items()})


def contents(scope: Scope, named: Mapping[KeyPath, str]) -> Iterator[Finding]:
    """Yield what is wrong with text files that a container gets together.

    Args:
        named: their names, by where they are written.
    """
    total = 0
    for place, name in named.items():
        if scope.leads_out(name):
            continue
        try:
            text = scope.text(name)
        except ValueError as problem:
            hint = f"name a text file of at most {MOST_FILE_BYTES >> 10} KiB, relative to this file"
            yield error("unreadable-file", place, f"{name} cannot be read: {problem}", hint)
            continue
        total += len(text.encode())
        if total > MOST_FILE_BYTES:
            yield error(
                "files-too-large",
                place,
                f"the files have more than {MOST_FILE_BYTES >> 10} KiB together",
                "put large files into the image, or mount them from the host: 'volumes'",
            )
            return
        if looks_secret(text):
            yield error(
                "secret-in-file",
                place,
                f"{name} has what looks like a secret, and the ledger would keep it",
                "have the program read it from a secret: secrets: [NAME]",
            )


def _files(scope: Scope) -> Iterator[tuple[KeyPath, str]]:
    """Yield all files: where they are written in deploy.yaml, and their path in the container."""
    for index, secret in enumerate(scope.valid.get("secrets", ())):
        if isinstance(secret, Mapping):
            yield ("secrets", index, "file"), secret["file"]
    for path in _sources(scope):
        yield ("files", path), path


def _sources(scope: Scope) -> Mapping[str, str]:
    files: Mapping[str, str] = scope.valid.get("files", {})
    return files


def _is_below(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place.rstrip('/')}/")


RULES: tuple[Rule, ...] = (_same_place, _hidden, _content)
