"""What the commands that act beside a deployment answer: maintenance and run."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.errors import ExitCode

__all__ = ["Maintained", "TaskRun"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintained:
    """Whether visitors get the maintenance page now."""

    service: str
    environment: str
    url: str = ""
    on: bool
    changed: bool
    """False where it was so already."""
    notes: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """The word for programs: closed or open."""
        return "closed" if self.on else "open"

    @property
    def exit_code(self) -> ExitCode:
        """What could not be done is an error, not an answer."""
        return ExitCode.DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """How a command in a one-off container of the live release ended.

    `code` is the command's own exit code, None when it did not end in time; `output` its last
    lines, both streams together.
    """

    service: str
    environment: str
    version: str
    host: str
    argv: tuple[str, ...]
    code: int | None
    duration_seconds: float
    output: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """The word for programs: succeeded or failed."""
        return "succeeded" if self.code == 0 else "failed"

    @property
    def exit_code(self) -> ExitCode:
        """Anything but 0 is a failure; which one, `code` says."""
        return ExitCode.DONE if self.code == 0 else ExitCode.DEPLOYMENT_FAILED
