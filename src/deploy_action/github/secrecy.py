"""Which values of the step's environment are secret: they are masked before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["declared_secrets"]

_SECRET_INPUTS = ("INPUT_SSH-KEY",)
_TOKENS = ("GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")


def declared_secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield every value that must not be shown.

    These are the secret inputs, GitHub's tokens and each variable that deploy.yaml declares
    anywhere as a secret. Where deploy.yaml cannot be read, nothing of it will be used either.
    """
    for name in (*_SECRET_INPUTS, *_TOKENS):
        if environ.get(name):
            yield environ[name]
    for name in sorted(_names(environ)):
        if environ.get(name):
            yield environ[name]


def _names(environ: Mapping[str, str]) -> set[str]:
    from deploy_action.config import check

    config, _ = check(Path(environ.get("INPUT_CONFIG") or "deploy.yaml"))
    if config is None:
        return set()
    names: set[str] = set()
    for environment in config.environments.values():
        names |= set(environment.secrets)
        if environment.registry is not None:
            names.add(environment.registry.password_secret)
        route = environment.route
        if route is not None and route.certificate is not None and route.certificate.secret:
            names.add(route.certificate.secret)
    return names
