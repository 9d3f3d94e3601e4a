"""A registry's login for one run of the Docker command line, gone with it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy_action.config.references import DOCKER_HUB, registry_of
from deploy_action.process import environment

__all__ = ["logged_in"]

_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
"""What the Docker command line calls Docker Hub in its configuration."""


@contextlib.contextmanager
def logged_in(reference: str, login: tuple[str, str] | None) -> Iterator[dict[str, str] | None]:
    """Yield an environment in which `docker` is logged in to the reference's registry.

    The login is written to a private temporary directory, never to `~/.docker`, where
    `docker login` would leave it. Everything else of the user's configuration (contexts, other
    registries) stays in force.

    Args:
        login: user name and password for this registry; without one it yields None, and the
            user's own configuration is used as it is.
    """
    if login is None:
        yield None
        return
    users = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    with tempfile.TemporaryDirectory(prefix="deploy-action-login-") as name:
        private = Path(name)
        for folder in ("cli-plugins", "contexts"):
            if (users / folder).is_dir():
                (private / folder).symlink_to((users / folder).resolve())
        registry = registry_of(reference)
        key = _DOCKER_HUB_KEY if registry == DOCKER_HUB else registry
        config = _config(users / "config.json", key, login)
        (private / "config.json").write_text(json.dumps(config))
        yield {**environment(), "DOCKER_CONFIG": name}


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
