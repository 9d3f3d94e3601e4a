"""The step's `with:` as an argument list of the command line, checked: GitHub itself checks nothing."""

from __future__ import annotations

from collections.abc import Mapping

from deploy_action.commands import describe
from deploy_action.errors import BadInput, ErrorCode
from deploy_action.github.context import Context
from deploy_action.github.publishing import PublishOptions
from deploy_action.suggest import suggestion

__all__ = [
    "COMMANDS",
    "INPUTS",
    "REQUIRED",
    "action_inputs",
    "arguments",
    "command_of",
    "is_true",
    "publish_options",
]

COMMANDS = (
    "deploy",
    "promote",
    "rollback",
    "plan",
    "validate",
    "check",
    "build",
    "status",
    "history",
    "monitor",
    "drift",
    "maintenance",
    "canary",
    "run",
    "doctor",
    "notify",
    "docs",
)
"""The values of `command`."""

_PASSED_ON = (
    "environment",
    "version",
    "image",
    "digest",
    "to",
    "at",
    "from",
    "reason",
    "lock-wait",
    "dry-run",
    "offline",
    "limit",
    "proof",
    "proof-age",
)
_SWITCHES = ("dry-run", "offline")
_OURS = (
    "command",
    "config",
    "arguments",
    "secrets",
    "github-token",
    "ssh-key",
    "ssh-known-hosts",
    "ssh-certificate",
    "sarif-file",
    "github-record",
    "live-tag",
    "release-notes",
    "comment",
    "issue",
)
INPUTS = (*_OURS, *_PASSED_ON)
"""All inputs; those passed on are named like the command line's flag."""

REQUIRED = "required"
"""As version or digest: refuse. Workflows write it behind an output that must not be empty:
`${{ needs.staging.outputs.digest || 'required' }}`."""

_DEPLOYING = ("deploy", "promote", "rollback")
_PUBLISH: Mapping[str, tuple[str, ...]] = {
    "live-tag": _DEPLOYING,
    "release-notes": _DEPLOYING,
    "comment": ("plan",),
    "issue": ("monitor",),
}
"""What may be written on GitHub, by the commands that it goes with."""
_VERBATIM = ("INPUT_SSH-KEY", "INPUT_SECRETS")


def action_inputs(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the inputs by name; the runner puts them into INPUT_ + upper case, dashes kept."""
    return {
        name.removeprefix("INPUT_").lower(): value if name in _VERBATIM else value.strip()
        for name, value in environ.items()
        if name.startswith("INPUT_")
    }


def command_of(inputs: Mapping[str, str]) -> str:
    """Return the command."""
    return inputs.get("command") or COMMANDS[0]


def arguments(inputs: Mapping[str, str], context: Context) -> list[str]:
    """Translate the inputs.

    Raises:
        BadInput: an unknown command, an input that this command does not take, or a misspelt one.
    """
    _refuse_misspelt(inputs)
    command = command_of(inputs)
    if command not in COMMANDS:
        raise BadInput(
            f"input command: {command!r} is not one of {', '.join(COMMANDS)}",
            remedy=f"command: {COMMANDS[0]}",
        )
    values = {name: inputs.get(name, "") for name in _PASSED_ON} | {
        "lock-wait": "" if inputs.get("lock-wait") in ("0", "0s") else inputs.get("lock-wait", ""),
        **{n: "true" if is_true(n, inputs.get(n, "")) else "" for n in _SWITCHES},
    }
    if command == "rollback" and values["version"]:
        # `version` is the one to serve, whatever the command.
        values["to"] = values["to"] or values["version"]
        values["version"] = ""
    elif command in ("deploy", "plan", "build"):
        values["version"] = values["version"] or context.version
    for name in ("version", "digest"):
        if inputs.get(name) == REQUIRED:
            raise BadInput(
                f"input {name}: it is required, and the earlier job's output is empty",
                cause="GitHub drops an output of a job that contains the text of a masked secret,"
                " such as a secret whose value is 2; or that job was skipped",
                remedy="look for the warning in the earlier job's step; a value that is no secret"
                " belongs into env: of deploy.yaml",
                code=ErrorCode.OUTPUT_LOST,
            )
    argv = [command, "--config", inputs.get("config") or "deploy.yaml"]
    for name, value in values.items():
        if value and not _takes(command, name):
            able = [each for each in COMMANDS if _takes(each, name)]
            raise BadInput(
                f"input {name}: the command {command} does not take it",
                remedy=f"leave it out, or use one of: {', '.join(able)}",
                code=ErrorCode.INVALID_ARGUMENT,
            )
        if value:
            argv.append(f"--{name}" if name in _SWITCHES else f"--{name}={value}")
    on_github = context.on_github and bool(context.repository)
    if on_github and command in _DEPLOYING and inputs.get("github-record") != "off":
        argv.append("--github-record")
    return [*argv, *_words(command, inputs.get("arguments", ""))]


def publish_options(inputs: Mapping[str, str]) -> PublishOptions:
    """Read what the step asks to be written on GitHub.

    Raises:
        BadInput: a value that is none, or something that this command cannot write.
    """
    record = inputs.get("github-record") or "auto"
    if record not in ("auto", "off"):
        raise BadInput(
            f"input github-record: {record!r} is neither auto nor off",
            remedy="github-record: auto",
        )
    command, asked = command_of(inputs), {}
    for name, commands in _PUBLISH.items():
        asked[name] = is_true(name, inputs.get(name, ""))
        if asked[name] and command not in commands:
            raise BadInput(
                f"input {name}: the command {command} does not take it",
                remedy=f"leave it out, or use one of: {', '.join(commands)}",
            )
    return PublishOptions(
        live_tag=asked["live-tag"],
        release_notes=asked["release-notes"],
        comment=asked["comment"],
        issue=asked["issue"],
    )


def _words(command: str, text: str) -> list[str]:
    """Return the arguments besides options: a word, or after `--` one argument a line.

    Raises:
        BadInput: the command takes none.
    """
    takes = describe(command).arguments
    if takes is None and text:
        able = [each for each in COMMANDS if describe(each).arguments is not None]
        raise BadInput(
            f"input arguments: the command {command} does not take it",
            remedy=f"leave it out, or use one of: {', '.join(able)}",
            code=ErrorCode.INVALID_ARGUMENT,
        )
    if takes is None or not text:
        return []
    return [text] if takes.choices else ["--", *text.splitlines()]


def _takes(command: str, name: str) -> bool:
    """Ask the command line itself."""
    return describe(command).takes(f"--{name}")


def _refuse_misspelt(inputs: Mapping[str, str]) -> None:
    """Refuse a misspelt name such as `dry_run: true`, which would deploy for real.

    Raises:
        BadInput: an unknown name that resembles a known one.
    """
    for name in inputs:
        near = "" if name in INPUTS else suggestion(name, INPUTS)
        if near:
            raise BadInput(f"there is no input {name!r}{near}", remedy="correct the step's `with:`")


def is_true(name: str, text: str) -> bool:
    """Read a boolean as YAML 1.2's core schema has it, which is what GitHub's own toolkit does.

    Raises:
        BadInput: it is neither true nor false.
    """
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE", ""):
        return False
    raise BadInput(f"input {name}: {text!r} is neither true nor false", remedy=f"{name}: true")
