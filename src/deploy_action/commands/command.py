"""What a command declares about itself: help, options, exit codes; the parser and the docs read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deploy_action.errors import ExitCode

__all__ = [
    "ACTOR",
    "CHANGE_EXITS",
    "COMMIT",
    "DIGEST",
    "ENVIRONMENT",
    "GATE_EXITS",
    "IMAGE",
    "LOCK_WAIT",
    "PROOF",
    "PROOF_FILE",
    "READ_EXITS",
    "REASON",
    "RECORDED",
    "VERSION",
    "Arguments",
    "Command",
    "Option",
    "option",
]

Kind = Literal["text", "path", "switch", "duration", "count"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option; `field` is the name in `Inputs`."""

    field: str
    flags: tuple[str, ...]
    help: str
    metavar: str = ""
    kind: Kind = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What a command takes besides options: one of `choices` or, without them, all after `--`."""

    field: str
    usage: str
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: what it does, how it is called, and how it can end.

    Attributes:
        examples: command lines, each with what it is for.
    """

    name: str
    summary: str
    description: str
    examples: tuple[tuple[str, str], ...]
    options: tuple[Option, ...] = ()
    arguments: Arguments | None = None
    exits: tuple[ExitCode, ...] = (ExitCode.DONE, ExitCode.BAD_INPUT)

    def takes(self, flag: str) -> bool:
        """Tell whether `flag` is one of its own options."""
        return any(flag in each.flags for each in self.options)


def option(flags: str, metavar: str, help: str, *, kind: Kind = "text", field: str = "") -> Option:
    """Return an option; its field is called as the last of the flags, if not said otherwise.

    Args:
        flags: with spaces between, such as ``-e --environment``.
        metavar: empty for a switch.
    """
    names = tuple(flags.split())
    return Option(
        field=field or names[-1].removeprefix("--").replace("-", "_"),
        flags=names,
        help=help,
        metavar=metavar,
        kind=kind if metavar else "switch",
    )


ENVIRONMENT = option(
    "-e --environment",
    "NAME",
    "the environment; may be left out where deploy.yaml has only one",
)
VERSION = option("--version", "V", "the version to deploy (default: the git tag or commit)")
IMAGE = option("--image", "REPOSITORY", "the image, instead of the one in deploy.yaml")
DIGEST = option("--digest", "sha256:…", "deploy exactly this image; refuse any other")
COMMIT = option("--commit", "SHA", "the git commit (default: the one checked out)")
REASON = option("--reason", "TEXT", "why; kept in the ledger")
ACTOR = option("--actor", "NAME", "who (default: git's user.name, else the login name)")
LOCK_WAIT = option(
    "--lock-wait",
    "5m",
    "wait this long for another deployment to end (default: 0s)",
    kind="duration",
    field="lock_wait_seconds",
)
RECORDED = (
    REASON,
    ACTOR,
    option("--run-url", "URL", "a page about this run; kept in the ledger"),
    LOCK_WAIT,
    option("--dry-run", "", "print the plan and change nothing"),
    option(
        "--github-record",
        "",
        "list it among GitHub's deployments (GITHUB_REPOSITORY, GITHUB_TOKEN)",
    ),
)
"""Options of every command that makes a deployment."""
PROOF = (
    option(
        "--proof",
        "PROOF|FILE",
        "a signed proof that the digest passed in the environment before; its hosts are not asked",
    ),
    option(
        "--proof-age",
        "24h",
        "refuse a proof that is older (default: 168h)",
        kind="duration",
        field="proof_age_seconds",
    ),
)
PROOF_FILE = option("--proof-file", "FILE", "write a signed proof here after success", kind="path")

CHANGE_EXITS = tuple(ExitCode)
"""Of commands that change something."""
GATE_EXITS = (ExitCode.DONE, ExitCode.BAD_INPUT, ExitCode.GATE_REFUSED)
"""Of commands that judge and change nothing."""
READ_EXITS = (ExitCode.DONE, ExitCode.BAD_INPUT, ExitCode.DEPLOYMENT_FAILED)
"""Of commands that ask hosts or registries."""
