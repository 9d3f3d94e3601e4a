"""What is under way and since when, and how that is said. Pure: whoever writes it has the clock."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy_action.render.text import duration, printable

if TYPE_CHECKING:
    from deploy_action.events.model import Waiting, WaitingEnded

__all__ = ["Waits", "cut"]

_FIRST_SECONDS = (10.0, 30.0, 60.0)
"""When a log is told for the first times that something still takes."""
_LONGEST_SECONDS = 600.0
_IN_SECONDS = 120.0
"""Up to here a number of seconds is easier to compare than minutes and seconds."""


@dataclass(slots=True)
class _Wait:
    event: Waiting
    since: float
    told: int = 0

    def state(self, now: float) -> str:
        event, waited = self.event, now - self.since
        words = f": {_seconds(waited)}"
        if event.limit_seconds is not None:
            words += f" of {_seconds(event.limit_seconds)}"
        return words + (f"; {printable(event.detail)}" if event.detail else "")

    @property
    def next_seconds(self) -> float:
        if self.told < len(_FIRST_SECONDS):
            return _FIRST_SECONDS[self.told]
        later = self.told - len(_FIRST_SECONDS) + 1
        # After ten minutes every ten minutes.
        doubled: float = _FIRST_SECONDS[-1] * 2 ** min(later, 10)
        return min(doubled, _LONGEST_SECONDS * later)


class Waits:
    """What is under way, the oldest first."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], _Wait] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    def update(self, event: Waiting, now: float) -> None:
        """Note that something begins, or what was last seen of it."""
        wait = self._open.setdefault((event.host, event.text), _Wait(event, now))
        wait.event = event

    def end(self, event: WaitingEnded) -> None:
        """Note that something is over."""
        self._open.pop((event.host, event.text), None)

    def line(self, now: float, width: int) -> str:
        """Return one line about what has been under way the longest, and how much there is besides;
        empty if there is nothing. Rather than since when and what was seen, the name is cut."""
        for wait in self._open.values():
            others = len(self._open) - 1
            more = f" (and {others} more)" if others else ""
            host = f"{wait.event.host} " if wait.event.host else ""
            name, state = f"  {host}{wait.event.text}", wait.state(now)
            room = width - len(more)
            name = cut(name, max(room - len(state), room // 3))
            return cut(name + state, room) + more
        return ""

    def due(self, now: float) -> Iterator[tuple[str, str]]:
        """Yield host and text of what a log has to be told now, each less and less often."""
        for wait in self._open.values():
            if now - wait.since >= wait.next_seconds:
                while now - wait.since >= wait.next_seconds:
                    wait.told += 1
                yield wait.event.host, wait.event.text + wait.state(now)


def _seconds(value: float) -> str:
    return f"{max(0.0, value):.0f} s" if value < _IN_SECONDS else duration(value)


def cut(text: str, width: int) -> str:
    """Cut a text to the columns of a terminal."""
    used = 0
    for index, character in enumerate(text):
        used += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if used > width:
            return text[: max(0, index - 1)] + "…"
    return text
