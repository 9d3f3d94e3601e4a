"""What the engine says while it works: the core calls this and never prints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from deploy_action.releases.model import Deployment

__all__ = ["Progress", "Silent"]


class Progress(Protocol):
    """Receives the story of a deployment as it happens."""

    def say(self, text: str, *, host: str = "") -> None:
        """Tell one finished or beginning step, in one line."""

    def warn(self, text: str, *, host: str = "") -> None:
        """Tell something that a person should know and that does not stop the deployment."""

    def quote(self, title: str, lines: Iterable[str]) -> None:
        """Show text that came from outside (a container's log), which must not be interpreted."""

    def begin(self, deployment: Deployment) -> None:
        """Learn that an attempt begins, as the ledger is going to have it; must not wait."""


class Silent:
    """A progress that keeps quiet."""

    def say(self, text: str, *, host: str = "") -> None:
        """Drop the line."""

    def warn(self, text: str, *, host: str = "") -> None:
        """Drop the line."""

    def quote(self, title: str, lines: Iterable[str]) -> None:
        """Drop the lines."""

    def begin(self, deployment: Deployment) -> None:
        """Drop it."""
