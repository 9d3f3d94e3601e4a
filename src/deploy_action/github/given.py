"""The step's `with:` as an argument list of the command line, checked: GitHub itself checks nothing."""

from __future__ import annotations

from collections.abc import Mapping

from deploy_action.errors import BadInput
from deploy_action.github.context import Context

__all__ = ["COMMANDS", "arguments", "given"]

COMMANDS = (
    "deploy",
    "promote",
    "rollback",
    "plan",
    "validate",
    "check",
    "status",
    "history",
    "monitor",
    "drift",
    "docs",
)
"""What `command` may be."""

_VERBATIM = ("INPUT_SSH-KEY", "INPUT_SECRETS")
_FLAGS = {
    "environment": "--environment",
    "image": "--image",
    "digest": "--digest",
    "to": "--to",
    "at": "--at",
    "from": "--from",
    "reason": "--reason",
    "lock-wait": "--lock-wait",
    "limit": "--limit",
}
_DEPLOYS = ("deploy", "plan", "promote")
_TAKES = {
    "environment": tuple(command for command in COMMANDS if command not in ("validate", "docs")),
    "image": ("deploy", "plan"),
    "digest": ("deploy", "plan", "promote"),
    "to": ("rollback",),
    "at": ("rollback",),
    "from": ("rollback",),
    "reason": ("deploy", "promote", "rollback"),
    "lock-wait": ("deploy", "promote", "rollback"),
    "limit": ("history",),
}


def given(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the inputs by name; the runner puts them into INPUT_ + upper case, dashes kept."""
    return {
        name.removeprefix("INPUT_").lower(): value if name in _VERBATIM else value.strip()
        for name, value in environ.items()
        if name.startswith("INPUT_")
    }


def arguments(inputs: Mapping[str, str], context: Context) -> list[str]:
    """Translate the inputs.

    Raises:
        BadInput: an unknown command, or an input that this command does not take.
    """
    command = inputs.get("command") or COMMANDS[0]
    if command not in COMMANDS:
        raise BadInput(
            f"input command: {command!r} is not one of {', '.join(COMMANDS)}",
            remedy=f"command: {COMMANDS[0]}",
        )
    argv = [command, "--config", inputs.get("config") or "deploy.yaml"]
    for name, flag in _FLAGS.items():
        value = inputs.get(name, "")
        if not value or (name == "lock-wait" and value in ("0", "0s")):
            continue
        if command not in _TAKES[name]:
            raise BadInput(
                f"input {name}: the command {command} does not take it",
                remedy=f"leave it out, or use one of: {', '.join(_TAKES[name])}",
            )
        argv.append(f"{flag}={value}")
    version = inputs.get("version") or (context.version if command in ("deploy", "plan") else "")
    if version and command in _DEPLOYS:
        argv.append(f"--version={version}")
    elif inputs.get("version") and command == "rollback" and not inputs.get("to"):
        argv.append(f"--to={version}")
    if _true(inputs.get("dry-run", "false")) and command in ("deploy", "promote", "rollback"):
        argv.append("--dry-run")
    return argv


def _true(text: str) -> bool:
    """Read a boolean as YAML 1.2's core schema has it, which is what GitHub's own toolkit does.

    Raises:
        BadInput: it is neither true nor false.
    """
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE", ""):
        return False
    raise BadInput(f"input dry-run: {text!r} is neither true nor false", remedy="dry-run: true")
