"""The timeline: every phase has its place, whatever its length."""

from __future__ import annotations

import pytest
from tests.unit.render.samples import DEPLOYED

from deploy_action.releases.model import Phase
from deploy_action.render.timeline import timeline


def phase(name: str, start: float, end: float, host: str = "a") -> Phase:
    return Phase(name=name, host=host, start_seconds=start, end_seconds=end)


def test_bars_begin_where_the_phase_began() -> None:
    """Half of the time is half of the width."""
    first, second = timeline([phase("one", 0, 5), phase("two", 5, 10)], width=33)
    assert first.index("█") < second.index("█")
    assert first.count("█") == second.count("█")
    assert second.index("█") == first.index("█") + first.count("█")


def test_a_phase_too_short_for_a_character_is_still_seen() -> None:
    """Something that happened is never invisible, even at the very end."""
    lines = timeline([phase("long", 0, 100), phase("blink", 100, 100)], width=60)
    assert "▏" in lines[1]


def test_the_host_is_named_only_where_there_are_several() -> None:
    """One host needs no name in every line."""
    assert timeline([phase("one", 0, 5)])[0].startswith("one")
    assert timeline(DEPLOYED.phases)[0].startswith("a pull")


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_paper(width: int) -> None:
    """The bars give way, down to their narrowest."""
    assert all(len(line) <= width for line in timeline(DEPLOYED.phases, width=width))


def test_nothing_to_show_is_no_lines() -> None:
    """No phases, or none that took any time."""
    assert timeline([]) == []
    assert timeline([phase("one", 0, 0)]) == []
