"""The report of commands that judge or change something: result, deployment, checks, error."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from deploy_action.errors import ConfigError, DeployActionError, ExitCode
from deploy_action.releases.model import Excerpt, Kind, State

if TYPE_CHECKING:
    from deploy_action.checks.result import CheckResult
    from deploy_action.gates.result import GateResult
    from deploy_action.problem import Problem
    from deploy_action.releases.model import Deployment
    from deploy_action.results.notes import Note

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
    """rollback: the earlier release is live again."""
    REMOVED = "removed"
    """remove: the service is off its hosts."""
    UNLOCKED = "unlocked"
    SIGNALLED = "signalled"
    """canary: the running deployment was told to promote or to abort."""
    INVALID = "invalid"
    """A flag, an input or a file is wrong; nothing was changed."""
    REFUSED = "refused"
    """A gate did not pass; nothing was changed."""
    FAILED = "failed"
    """The attempt was undone; the previous release serves."""
    UNRESOLVED = "unresolved"
    """Automatic rollback also failed; manual intervention is required."""
    LOCKED = "locked"
    """Another deployment holds the lock; nothing was changed."""
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
_RESULTS = {code: result for result, code in _EXIT_CODES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The report of `validate`, `check`, `plan`, `deploy`, `promote`, `rollback` and `unlock`.

    Attributes:
        deployment: the attempt as the ledger has it; for `unchanged` the one that is live.
        url: where the environment is reached.
        gates, checks: what was judged, passed or not, in the order in which it ran.
        problems: findings with file and line, warnings included.
        notes: what a person should read (a killed old replica, a rotated secret).
        error: why the result is not a good one; its exit code wins over the result's.
        restorable: versions that a rollback can bring back, the best one first.
        plan: the steps, one line each, for `planned`.
        planned_version: the version that they would make live.
        repaired: for `unchanged`: hosts had drifted from the release and were repaired.
        excerpts: log lines of what failed.
        previous_commit: commit of the previous release; empty when unknown.
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
    notes: tuple[Note | str, ...] = ()
    error: DeployActionError | None = None
    restorable: tuple[str, ...] = ()
    plan: tuple[str, ...] = ()
    planned_version: str = ""
    repaired: bool = False
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
        if self.deployment is None or self.deployment.kind is Kind.REMOVE:
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
        return cls(
            result=_RESULTS[error.exit_code],
            environment=environment,
            error=error,
            problems=error.problems if isinstance(error, ConfigError) else (),
        )
