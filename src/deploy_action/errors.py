"""The exceptions that leave the engine, and the exit code that each one means.

    DeployActionError            1  a bug, or anything not named below
    ├── BadInput                 2  a flag, an input or a file is wrong
    │   └── ConfigError          2  deploy.yaml is wrong; carries every problem found
    ├── GateRefused              3  a gate did not pass; nothing was changed
    ├── DeploymentFailed         4  the attempt failed; the old release still serves
    │   ├── HostUnreachable      4  a host or its engine does not answer
    │   ├── SessionLost          4  the lock is gone; the next command settles the attempt
    │   └── Interrupted          4  a signal ended the attempt
    ├── RollbackFailed           5  automatic rollback also failed; manual intervention is required
    └── LockHeld                 6  another deployment holds the lock

A message answers three questions in this order: what failed and where, the likely
cause, the next command to type.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from deploy_action.redaction import redact

if TYPE_CHECKING:
    from deploy_action.problem import Problem

__all__ = [
    "BadInput",
    "ConfigError",
    "DeployActionError",
    "DeploymentFailed",
    "ErrorCode",
    "ExitCode",
    "GateRefused",
    "HostUnreachable",
    "Interrupted",
    "LockHeld",
    "RollbackFailed",
    "SessionLost",
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


class ErrorCode(StrEnum):
    """What went wrong, for programs and tests: an identifier that stays while messages change.

    The first group has one code per class of error; the others say more where more is known.
    """

    BUG = "bug"
    BAD_INPUT = "bad-input"
    CONFIG_INVALID = "config-invalid"
    CREDENTIAL_REFUSED = "credential-refused"
    GATE_REFUSED = "gate-refused"
    DEPLOYMENT_FAILED = "deployment-failed"
    HOST_UNREACHABLE = "host-unreachable"
    INTERRUPTED = "interrupted"
    ROLLBACK_FAILED = "rollback-failed"
    LEDGER_DAMAGED = "ledger-damaged"
    LEDGER_DISPUTED = "ledger-disputed"
    LEDGER_UNSIGNED = "ledger-unsigned"
    LOCK_HELD = "lock-held"

    ABORTED_BY_OPERATOR = "aborted-by-operator"
    ADDRESS_IN_USE = "address-in-use"
    ANALYSIS_FAILED = "analysis-failed"
    ANALYSIS_INCONCLUSIVE = "analysis-inconclusive"
    BUILD_FAILED = "build-failed"
    CERTIFICATE_INVALID = "certificate-invalid"
    CERTIFICATE_NOT_SERVED = "certificate-not-served"
    DISK_FULL = "disk-full"
    EDGE_NOT_RUNNING = "edge-not-running"
    EDGE_REFUSED = "edge-refused"
    EDGE_STATE_UNREADABLE = "edge-state-unreadable"
    ENTRYPOINT_NOT_EXECUTABLE = "entrypoint-not-executable"
    ENTRYPOINT_NOT_FOUND = "entrypoint-not-found"
    ENGINE_AMBIGUOUS = "engine-ambiguous"
    ENGINE_EPHEMERAL = "engine-ephemeral"
    ENVIRONMENT_NOT_NAMED = "environment-not-named"
    FILE_EXISTS = "file-exists"
    FILE_NOT_WRITABLE = "file-not-writable"
    HOST_NOT_READY = "host-not-ready"
    HOOK_FAILED = "hook-failed"
    IMAGE_NOT_FOUND = "image-not-found"
    IMAGE_NOT_PULLABLE = "image-not-pullable"
    INVALID_ARGUMENT = "invalid-argument"
    INVALID_OPTION = "invalid-option"
    INVALID_DIGEST = "invalid-digest"
    INVALID_VERSION = "invalid-version"
    NAME_TAKEN = "name-taken"
    NOT_CONFIRMED = "not-confirmed"
    NOTHING_TO_BUILD = "nothing-to-build"
    NOT_PUSHED = "not-pushed"
    NOTHING_DEPLOYED = "nothing-deployed"
    NOTHING_TO_DEPLOY = "nothing-to-deploy"
    NOT_PASSED_BEFORE = "not-passed-before"
    NO_HEALTHCHECK = "no-healthcheck"
    NO_ROLLBACK_TARGET = "no-rollback-target"
    OUT_OF_MEMORY = "out-of-memory"
    OUTPUT_LOST = "output-lost"
    NOT_RESTORED = "not-restored"
    PORT_TAKEN = "port-taken"
    PULL_REQUEST_FROM_FORK = "pull-request-from-fork"
    ROUTE_NOT_SERVED = "route-not-served"
    ROUTE_TAKEN = "route-taken"
    REGISTRY_UNREACHABLE = "registry-unreachable"
    RELEASE_UNSTABLE = "release-unstable"
    REPLICA_EXITED = "replica-exited"
    REPLICA_NOT_STARTED = "replica-not-started"
    REPLICA_UNHEALTHY = "replica-unhealthy"
    REQUESTS_LOST = "requests-lost"
    SECRET_MISSING = "secret-missing"
    SESSION_LOST = "session-lost"
    SEVERAL_SERVICES = "several-services"
    SMOKE_TEST_FAILED = "smoke-test-failed"
    SOURCE_CHANGED = "source-changed"
    SUPERSEDED = "superseded"
    TIMED_OUT = "timed-out"
    UNAUTHORIZED = "unauthorized"
    UNKNOWN_COMMAND = "unknown-command"
    UNKNOWN_ENVIRONMENT = "unknown-environment"
    UNKNOWN_OPTION = "unknown-option"
    UNKNOWN_VERSION = "unknown-version"
    VERSION_TAKEN = "version-taken"
    VOLUME_UNDECLARED = "volume-undeclared"
    WRONG_ARCHITECTURE = "wrong-architecture"
    WRONG_RELEASE = "wrong-release"


class DeployActionError(Exception):
    """Base of all errors that a user may see.

    Attributes:
        code: identifies the failure; programs and tests compare this, never the message.

    Args:
        what: what failed, and where (host, file, step).
        cause: the likely reason, in plain words; empty when unknown.
        remedy: the next thing to do, best a command to type; empty when there is none.
    """

    exit_code = ExitCode.BUG
    default_code = ErrorCode.BUG

    def __init__(
        self, what: str, *, cause: str = "", remedy: str = "", code: ErrorCode | None = None
    ) -> None:
        # What failed elsewhere may have quoted anything.
        self.what, self.cause, self.remedy = redact(what), redact(cause), redact(remedy)
        super().__init__(self.what)
        self.code = self.default_code if code is None else code

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
    default_code = ErrorCode.BAD_INPUT


class ConfigError(BadInput):
    """deploy.yaml is wrong; `problems` holds everything that was found."""

    default_code = ErrorCode.CONFIG_INVALID

    def __init__(self, what: str, problems: tuple[Problem, ...], *, remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.problems = problems


class GateRefused(DeployActionError):
    """A gate did not pass; nothing was changed."""

    exit_code = ExitCode.GATE_REFUSED
    default_code = ErrorCode.GATE_REFUSED


class DeploymentFailed(DeployActionError):
    """The attempt failed and the release that served before still serves."""

    exit_code = ExitCode.DEPLOYMENT_FAILED
    default_code = ErrorCode.DEPLOYMENT_FAILED


class HostUnreachable(DeploymentFailed):
    """A host, its ssh server or its Docker engine does not answer."""

    default_code = ErrorCode.HOST_UNREACHABLE


class SessionLost(DeploymentFailed):
    """The session ended: the lock is gone, and nothing more may be changed."""

    default_code = ErrorCode.SESSION_LOST


class Interrupted(DeploymentFailed):
    """SIGINT or SIGTERM ended the attempt; it was undone first."""

    default_code = ErrorCode.INTERRUPTED


class RollbackFailed(DeployActionError):
    """Automatic rollback also failed: manual intervention is required."""

    exit_code = ExitCode.ROLLBACK_FAILED
    default_code = ErrorCode.ROLLBACK_FAILED


class LockHeld(DeployActionError):
    """Another user is deploying to the same environment."""

    exit_code = ExitCode.LOCK_HELD
    default_code = ErrorCode.LOCK_HELD
