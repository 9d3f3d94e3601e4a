"""References of images taken apart: https://github.com/distribution/reference."""

from __future__ import annotations

__all__ = ["DOCKER_HUB", "registry_of", "server_name", "split_reference"]

DOCKER_HUB = "docker.io"
_HUB_NAMES = (DOCKER_HUB, "index.docker.io", "registry-1.docker.io")


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
