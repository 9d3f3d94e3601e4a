"""A registry's login for one run of the Docker command line, gone with it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["logged_in"]

_DOCKER_HUB = "https://index.docker.io/v1/"


@contextlib.contextmanager
def logged_in(reference: str, login: tuple[str, str] | None) -> Iterator[dict[str, str] | None]:
    """Yield the environment in which `docker` knows the login of the reference's registry.

    It goes into a directory that only we can read, never into `~/.docker`, where `docker login`
    would leave it. What that holds otherwise (contexts, other registries) stays in force.

    Args:
        login: user name and password; without one the user's own configuration is used: None.
    """
    if login is None:
        yield None
        return
    theirs = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    with tempfile.TemporaryDirectory(prefix="deploy-action-login-") as name:
        ours = Path(name)
        for folder in ("cli-plugins", "contexts"):
            if (theirs / folder).is_dir():
                (ours / folder).symlink_to((theirs / folder).resolve())
        config = _config(theirs / "config.json", _registry(reference), login)
        (ours / "config.json").write_text(json.dumps(config))
        yield {**os.environ, "DOCKER_CONFIG": name}


def _config(file: Path, registry: str, login: tuple[str, str]) -> Mapping[str, object]:
    try:
        known = json.loads(file.read_text())
    except (OSError, ValueError):
        known = {}
    config = dict(known) if isinstance(known, dict) else {}
    # A credential helper would be asked instead of the file.
    config.pop("credsStore", None)
    helpers = {k: v for k, v in dict(config.get("credHelpers") or {}).items() if k != registry}
    auth = base64.b64encode(":".join(login).encode()).decode()
    auths = {**dict(config.get("auths") or {}), registry: {"auth": auth}}
    return {**config, "credHelpers": helpers, "auths": auths}


def _registry(reference: str) -> str:
    """Return what the Docker command line calls the registry of an image.

    https://github.com/distribution/reference: a first part without dot, colon and `localhost` is
    a name on Docker Hub.
    """
    first, slash, _ = reference.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return first if is_host and first != "docker.io" else _DOCKER_HUB
