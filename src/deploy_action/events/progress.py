"""The part of the event stream that code uses which only reports what it does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from deploy_action.events.stream import EventStream

if TYPE_CHECKING:
    from deploy_action.releases.model import Deployment

__all__ = ["Progress", "Silent"]


class Progress(Protocol):
    """Receives the story of a command as it happens: an `EventStream` is one."""

    def say(self, text: str, *, host: str = "") -> None:
        """Report one finished or beginning step, in one line."""

    def warn(self, text: str, *, host: str = "") -> None:
        """Report something that a person should know and that does not stop the deployment."""

    def quote(self, title: str, lines: Iterable[str]) -> None:
        """Show text that came from outside (a container's log), which must not be interpreted."""

    def begin(self, deployment: Deployment) -> None:
        """Report that an attempt begins, as the ledger is going to have it."""


class Silent(EventStream):
    """A stream without observers."""

    def __init__(self) -> None:
        super().__init__()
