"""What happens while a command runs, as frozen values; knows nobody who is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy_action.releases.model import Deployment
    from deploy_action.results.reports import Report

__all__ = [
    "CommandFinished",
    "CommandStarted",
    "DeploymentStarted",
    "Event",
    "Message",
    "Output",
    "QuotedOutput",
    "StepFinished",
    "StepStarted",
    "UndoStarted",
    "Waiting",
    "WaitingEnded",
    "WarningMessage",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStarted:
    """The first event of every command; `environment` is empty where none was named."""

    command: str
    environment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFinished:
    """The last event of every command; `report` is None when a bug ended it."""

    report: Report | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentStarted:
    """An attempt to make a release live begins; `deployment` is the ledger's entry of it.

    How it ended is in the report of `CommandFinished`.
    """

    deployment: Deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A step of the plan begins; `step` is its identifier, `text` its description for people."""

    step: str
    text: str
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished:
    """A step of the plan is done."""

    step: str
    seconds: float
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Something that may take a while is under way; told again when more is seen of it.

    Attributes:
        text: what it is; with the host it identifies what is waited for.
        limit_seconds: after which it fails, or is over; None where nothing says.
        detail: what was last seen of it.
        quoted: the detail is a line that a program printed, for a log to keep.
    """

    text: str
    host: str = ""
    limit_seconds: float | None = None
    detail: str = ""
    quoted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingEnded:
    """What was waited for is over, one way or the other."""

    text: str
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoStarted:
    """A rollout failed, and its hosts go back; `code` identifies the failure, `text` tells it."""

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One line about what is being done or waited for."""

    text: str
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningMessage:
    """One line that a person should know and that does not stop the command."""

    text: str
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedOutput:
    """Text from outside (a container's log), which must not be interpreted."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a command prints for programs to read, as it is; `error` is for standard error."""

    content: bytes
    error: bool = False


Event = (
    CommandStarted
    | CommandFinished
    | DeploymentStarted
    | StepStarted
    | StepFinished
    | UndoStarted
    | Waiting
    | WaitingEnded
    | Message
    | WarningMessage
    | QuotedOutput
    | Output
)
