"""The phases of a deployment as bars of text, for terminals and code blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deploy_action.render.text import duration, printable

if TYPE_CHECKING:
    from deploy_action.releases.model import Phase

__all__ = ["timeline"]

_BAR = "█"
_THIN = "▏"
_NARROWEST_BAR = 10
_WIDEST_BAR = 60


def timeline(phases: Sequence[Phase], *, width: int = 80) -> list[str]:
    """Return one line a phase: host, name, a bar in its place, its duration.

    The host is left out where there is only one. A phase that is too short for a whole
    character is a thin mark, never nothing. No line is wider than `width`, unless `width`
    leaves no room for names and the narrowest bar.
    """
    total = max((phase.end_seconds for phase in phases), default=0.0)
    if total <= 0:
        return []
    several = len({phase.host for phase in phases}) > 1
    names = [
        printable(f"{phase.host} {phase.name}".strip() if several else phase.name)
        for phase in phases
    ]
    label = max(len(name) for name in names)
    times = [duration(phase.end_seconds - phase.start_seconds) for phase in phases]
    room = width - label - max(len(text) for text in times) - 4
    bar = min(max(room, _NARROWEST_BAR), _WIDEST_BAR)
    return [
        f"{name.ljust(label)}  {_bar(phase, total, bar)}  {text}"
        for name, phase, text in zip(names, phases, times, strict=True)
    ]


def _bar(phase: Phase, total: float, width: int) -> str:
    # Both ends are rounded alike, so that a phase begins where the one before it ended.
    start = round(phase.start_seconds / total * width)
    length = round(phase.end_seconds / total * width) - start
    return (" " * min(start, width - 1) + (_BAR * length or _THIN)).ljust(width)
