"""What a command that judges or changes something came to: the value that every report shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from deploy_action.errors import (
    BadInput,
    ConfigError,
    DeployActionError,
    DeploymentFailed,
    ExitCode,
    GateRefused,
    LockHeld,
    RollbackFailed,
)
from deploy_action.releases.model import State

if TYPE_CHECKING:
    from deploy_action.checks.result import CheckResult
    from deploy_action.gates.result import GateResult
    from deploy_action.problem import Problem
    from deploy_action.releases.model import Deployment

__all__ = ["Excerpt", "Outcome", "Result"]


class Result(StrEnum):
    """How a command ended, in one word; the same in JSON, in the action's output and in reports."""

    VALID = "valid"
    """validate: no errors (there may be warnings)."""
    PASSED = "passed"
    """check: valid, and every gate passed."""
    PLANNED = "planned"
    """plan and --dry-run: nothing was changed."""
    DEPLOYED = "deployed"
    """deploy and promote: the release is live."""
    UNCHANGED = "unchanged"
    """The release was live already, or a rollback's `--from` is no longer the current one."""
    ROLLED_BACK = "rolled-back"
    """rollback, asked for by a person: the earlier release is live again."""
    UNLOCKED = "unlocked"
    TOLD = "told"
    INVALID = "invalid"
    """A flag, an input or a file is wrong; nothing was changed."""
    REFUSED = "refused"
    """A gate did not pass; nothing was changed."""
    FAILED = "failed"
    """The attempt was undone; the release before serves."""
    UNRESOLVED = "unresolved"
    """The way back failed too; a person is needed."""
    LOCKED = "locked"
    """Somebody else is deploying; nothing was changed."""
    ERROR = "error"
    """A bug of deploy-action."""

    @property
    def exit_code(self) -> ExitCode:
        """What the process returns when no error says otherwise."""
        return _EXIT_CODES.get(self, ExitCode.DONE)


_EXIT_CODES = {
    Result.INVALID: ExitCode.BAD_INPUT,
    Result.REFUSED: ExitCode.GATE_REFUSED,
    Result.FAILED: ExitCode.DEPLOYMENT_FAILED,
    Result.UNRESOLVED: ExitCode.ROLLBACK_FAILED,
    Result.LOCKED: ExitCode.LOCK_HELD,
    Result.ERROR: ExitCode.BUG,
}

_RESULTS_BY_ERROR: tuple[tuple[type[DeployActionError], Result], ...] = (
    (BadInput, Result.INVALID),
    (GateRefused, Result.REFUSED),
    (DeploymentFailed, Result.FAILED),
    (RollbackFailed, Result.UNRESOLVED),
    (LockHeld, Result.LOCKED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """Text that came from outside (a container's last log lines): shown, never interpreted."""

    title: str
    host: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What `validate`, `check`, `plan`, `deploy`, `promote`, `rollback` and `unlock` came to.

    Attributes:
        deployment: the attempt as the ledger has it; for `unchanged` the one that is live.
        url: where the environment is reached.
        gates, checks: what was judged, passed or not, in the order in which it ran.
        problems: findings with file and line, warnings included.
        notes: sentences that a person should read (a killed old replica, a rotated secret).
        error: why the result is not a good one; its exit code wins over the result's.
        restorable: versions that a rollback can bring back, the best one first.
        plan: the steps, one line each, for `planned`.
        planned_version: the version that they would make live.
        excerpts: log lines of what failed.
        previous_commit: what the release that served before was built from; empty when unknown.
        proof: a signed proof that the release went live, where there is a key to sign it.
    """

    result: Result
    service: str = ""
    environment: str = ""
    url: str = ""
    deployment: Deployment | None = None
    gates: tuple[GateResult, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    error: DeployActionError | None = None
    restorable: tuple[str, ...] = ()
    plan: tuple[str, ...] = ()
    planned_version: str = ""
    excerpts: tuple[Excerpt, ...] = ()
    proof: str = ""
    previous_commit: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """The process's exit code."""
        return self.result.exit_code if self.error is None else self.error.exit_code

    @property
    def serving(self) -> str:
        """The version that serves now, as far as the deployment says; empty when unknown."""
        if self.deployment is None:
            return ""
        if self.deployment.state is State.SUCCEEDED:
            return self.deployment.release.version
        if self.deployment.state is State.FAILED:
            return self.deployment.previous_version
        return ""

    @property
    def own(self) -> Deployment | None:
        """The deployment that this run made; what changes nothing has an earlier one."""
        return None if self.result in (Result.PLANNED, Result.UNCHANGED) else self.deployment

    @classmethod
    def of_error(cls, error: DeployActionError, *, environment: str = "") -> Outcome:
        """Return the outcome of a command that `error` ended before it had one of its own."""
        result = next((r for kind, r in _RESULTS_BY_ERROR if isinstance(error, kind)), Result.ERROR)
        problems = error.problems if isinstance(error, ConfigError) else ()
        return cls(result=result, environment=environment, error=error, problems=problems)
