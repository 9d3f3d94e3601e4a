"""The exceptions that leave the engine, and the exit code that each one means.

    DeployActionError            1  a bug, or anything not named below
    ├── BadInput                 2  a flag, an input or a file is wrong
    │   └── ConfigError          2  deploy.yaml is wrong; carries every problem found
    ├── GateRefused              3  a gate did not pass; nothing was changed
    ├── DeploymentFailed         4  the attempt failed; the old release still serves
    │   ├── HostUnreachable      4  a host or its engine does not answer
    │   └── Interrupted          4  a signal ended the attempt
    ├── RollbackFailed           5  the way back failed too; a person is needed
    └── LockHeld                 6  somebody else is deploying

A message answers three questions in this order: what failed and where, the likely
cause, the next command to type.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy_action.problem import Problem

__all__ = [
    "BadInput",
    "ConfigError",
    "DeployActionError",
    "DeploymentFailed",
    "ExitCode",
    "GateRefused",
    "HostUnreachable",
    "Interrupted",
    "LockHeld",
    "RollbackFailed",
]


class ExitCode(IntEnum):
    """What the process tells its caller."""

    DONE = 0
    BUG = 1
    BAD_INPUT = 2
    GATE_REFUSED = 3
    DEPLOYMENT_FAILED = 4
    ROLLBACK_FAILED = 5
    LOCK_HELD = 6


class DeployActionError(Exception):
    """Base of all errors that a user may see.

    Args:
        what: what failed, and where (host, file, step).
        cause: the likely reason, in plain words; empty when unknown.
        remedy: the next thing to do, best a command to type; empty when there is none.
    """

    exit_code = ExitCode.BUG

    def __init__(self, what: str, *, cause: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [self.what]
        if self.cause:
            lines.append(f"  cause: {self.cause}")
        if self.remedy:
            lines.append(f"  remedy: {self.remedy}")
        return "\n".join(lines)


class BadInput(DeployActionError):
    """A flag, an input or a file is wrong."""

    exit_code = ExitCode.BAD_INPUT


class ConfigError(BadInput):
    """deploy.yaml is wrong; `problems` holds everything that was found."""

    def __init__(self, what: str, problems: tuple[Problem, ...], *, remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.problems = problems


class GateRefused(DeployActionError):
    """A gate did not pass; nothing was changed."""

    exit_code = ExitCode.GATE_REFUSED


class DeploymentFailed(DeployActionError):
    """The attempt failed and the release that served before still serves."""

    exit_code = ExitCode.DEPLOYMENT_FAILED


class HostUnreachable(DeploymentFailed):
    """A host, its ssh server or its Docker engine does not answer."""


class Interrupted(DeploymentFailed):
    """SIGINT or SIGTERM ended the attempt; it was undone first."""


class RollbackFailed(DeployActionError):
    """The way back failed too: a person has to look."""

    exit_code = ExitCode.ROLLBACK_FAILED


class LockHeld(DeployActionError):
    """Somebody else is deploying to the same environment."""

    exit_code = ExitCode.LOCK_HELD
