"""References of images taken apart: https://github.com/distribution/reference."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy_action.config.model import Environment

__all__ = [
    "DOCKER_HUB",
    "is_digest",
    "is_repository",
    "is_version",
    "own_repository",
    "registry_of",
    "server_name",
    "split_reference",
]

DOCKER_HUB = "docker.io"
_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NAME = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?{_NAME}(?:/{_NAME})*")
_MAX_REPOSITORY = 255
_HUB_NAMES = (DOCKER_HUB, "index.docker.io", "registry-1.docker.io")


def is_version(text: str) -> bool:
    """Tell whether an image can be tagged with a version."""
    return _VERSION.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Tell whether a text has the form of a digest; the id of an image has it, too."""
    return _DIGEST.fullmatch(text) is not None


def is_repository(text: str) -> bool:
    """Tell whether a text has the form of an image's repository, without tag and digest."""
    return len(text) <= _MAX_REPOSITORY and _REPOSITORY.fullmatch(text) is not None


def own_repository(environment: Environment) -> str:
    """Return the repository that an environment's images come from, whatever another one says."""
    return split_reference(environment.image or environment.service)[0]


def split_reference(reference: str) -> tuple[str, str | None, str | None]:
    """Split a reference into repository, tag and digest."""
    rest, _, digest = reference.partition("@")
    head, colon, tag = rest.rpartition(":")
    if colon and "/" not in tag:
        return head, tag, digest or None
    return rest, None, digest or None


def registry_of(reference: str) -> str:
    """Return the host, with its port, of the registry that a reference names.

    A first part without dot, colon and `localhost` is a name on Docker Hub.
    """
    first, slash, _ = reference.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return server_name(first) if is_host else DOCKER_HUB


def server_name(text: str) -> str:
    """Return a registry's server in one spelling: ``https://GHCR.io/v2/`` is ``ghcr.io``."""
    name = text.rpartition("://")[2].partition("/")[0].lower()
    return DOCKER_HUB if name in _HUB_NAMES else name
