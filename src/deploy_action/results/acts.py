"""What the commands that act beside a deployment answer: maintenance, run and build."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.errors import ExitCode

__all__ = ["Built", "Maintained", "TaskRun"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An image that was built.

    `digest` is what the registry has, for every deployment that follows; empty when it was not
    pushed: no other machine can have it then.
    """

    service: str
    image: str
    version: str
    digest: str = ""
    duration_seconds: float
    notes: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """The word for programs: pushed or built."""
        return "pushed" if self.digest else "built"

    @property
    def exit_code(self) -> ExitCode:
        """What could not be built is an error, not an answer."""
        return ExitCode.DONE
