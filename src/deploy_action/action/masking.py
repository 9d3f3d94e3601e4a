"""The secret values of the step's environment, masked before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy_action.action.inputs import action_inputs
from deploy_action.errors import BadInput

__all__ = ["declared_secrets", "handed_secrets"]

_SECRET_INPUTS = ("INPUT_SSH-KEY", "INPUT_GITHUB-TOKEN")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKENS = ("GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
_OWN = ("DEPLOY_PROOF_KEY",)


def declared_secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the secret inputs, GitHub's tokens and every variable that deploy.yaml declares secret.

    A deploy.yaml that cannot be read declares nothing; no command will use it either.
    """
    for name in (*_SECRET_INPUTS, *_TOKENS, *_OWN):
        if environ.get(name):
            yield environ[name]
    handed = environ.get("INPUT_SECRETS", "")
    yield from _values(handed)
    for name in sorted(_names(environ)):
        if environ.get(name):
            yield environ[name]


def handed_secrets(text: str) -> dict[str, str]:
    """Read the input `secrets`: NAME=value lines, and NAME<<END … END for several lines.

    Raises:
        BadInput: a line is neither; the message has the line's number, never its text.
    """
    values: dict[str, str] = {}
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        name, mark, rest = line.partition("<<" if "<<" in line.split("=", 1)[0] else "=")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not mark or not _NAME.fullmatch(name.strip()):
            raise BadInput(
                f"input secrets: line {number} is not NAME=value",
                remedy="write one NAME=value a line, or NAME<<END, the value's lines, END",
            )
        if mark == "=":
            values[name.strip()] = rest
            continue
        block = []
        for _, inner in lines:
            if inner == rest.strip():
                break
            block.append(inner)
        else:
            raise BadInput(f"input secrets: the value that begins at line {number} has no end")
        values[name.strip()] = "\n".join(block)
    return values


def _values(text: str) -> Iterator[str]:
    try:
        yield from handed_secrets(text).values()
    except BadInput:
        # Unreadable input is masked line by line before the error is reported.
        yield from (part for line in text.splitlines() for part in (line, line.partition("=")[2]))


def _names(environ: Mapping[str, str]) -> set[str]:
    from deploy_action.config import check

    # Same path as the command's: a blank around it must not hide the secrets' names.
    config, _ = check(Path(action_inputs(environ).get("config") or "deploy.yaml"))
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
