"""The secret values of the step's environment, masked before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from deploy_action.action.inputs import action_inputs
from deploy_action.errors import BadInput
from deploy_action.inputs import CREDENTIALS

__all__ = ["handed_secrets", "lost_outputs", "masked_texts", "named_secrets", "trivial_secrets"]

_SECRET_INPUTS = ("INPUT_SSH-KEY", "INPUT_GITHUB-TOKEN")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


_SHORTEST_LINE = 3
_SHORTEST = 5
_TRIVIAL = frozenset(
    ("false", "latest", "local", "localhost", "production", "development", "staging", "testing")
)


def named_secrets(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield name and value of the secret inputs, GitHub's tokens and every variable that deploy.yaml
    declares secret.

    A deploy.yaml that cannot be read declares nothing; no command will use it either.
    """
    for name in (*_SECRET_INPUTS, *CREDENTIALS):
        if environ.get(name):
            yield name, environ[name]
    handed = environ.get("INPUT_SECRETS", "")
    yield from _values(handed)
    for name in sorted(_names(environ)):
        if environ.get(name):
            yield name, environ[name]


def masked_texts(secret: str) -> Iterator[str]:
    """Yield what the runner is told to hide for a value: each of its lines by itself.

    A log is written by lines, so the lines are enough. The very short ones of a longer value
    ("{", "-") stay: hidden, they would turn every page into asterisks and save nothing.
    """
    lines = [line for line in secret.splitlines() if line.strip()]
    shortest = _SHORTEST_LINE if len(lines) > 1 else 1
    for line in lines:
        # The runner looks for exactly this text, and a program may trim what it quotes.
        yield from (form for form in dict.fromkeys((line, line.strip())) if len(form) >= shortest)


def trivial_secrets(secrets: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Name the secrets whose values are too short or too common to be hidden without harm."""
    return tuple(
        dict.fromkeys(
            name
            for name, value in secrets
            if value.strip()
            and (len(value.strip()) < _SHORTEST or value.lower().strip() in _TRIVIAL)
        )
    )


def lost_outputs(
    outputs: Mapping[str, str], secrets: Iterable[tuple[str, str]]
) -> Mapping[str, tuple[str, ...]]:
    """Return the outputs that GitHub does not hand to other jobs, each with the secrets in its text.

    The runner drops an output of a job, and the address of its environment, if a mask changes it:
    https://github.com/actions/runner, src/Runner.Worker/JobExtension.cs.
    """
    named = list(secrets)
    found = {
        output: tuple(
            dict.fromkeys(n for n, secret in named if any(t in value for t in masked_texts(secret)))
        )
        for output, value in outputs.items()
    }
    return {output: names for output, names in found.items() if names}


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


def _values(text: str) -> Iterator[tuple[str, str]]:
    try:
        yield from handed_secrets(text).items()
    except BadInput:
        # Unreadable input is masked line by line before the error is reported.
        for line in text.splitlines():
            yield from (("secrets", line), ("secrets", line.partition("=")[2]))


def _names(environ: Mapping[str, str]) -> set[str]:
    from deploy_action.config import check

    # Same path as the command's: a blank around it must not hide the secrets' names.
    config, _ = check(Path(action_inputs(environ).get("config") or "deploy.yaml"))
    if config is None:
        return set()
    targets = (target for each in config.notifications.values() for target in each)
    names = {name for target in targets for name in (target.secret, target.signing_key) if name}
    for environment in config.environments.values():
        names |= set(environment.secrets)
        if environment.registry is not None:
            names.add(environment.registry.password_secret)
        route = environment.route
        if route is not None and route.certificate is not None and route.certificate.secret:
            names.add(route.certificate.secret)
    return names
