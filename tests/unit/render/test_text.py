"""Text for a terminal: nothing from outside is interpreted, everything fits."""

from __future__ import annotations

import pytest

from deploy_action.render.text import Style, columns, duration, moment, printable, wrap


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("safe\rforged", "safe\\rforged"),
        ("one\ntwo", "one\\ntwo"),
        ("\u202eoverride", "\\u202eoverride"),
        ("\x9b31m", "\\x9b31m"),
        ("lone \ud800", "lone \\ud800"),
        ("naïve 日本 ✓", "naïve 日本 ✓"),
    ],
)
def test_what_could_steer_a_terminal_becomes_visible(hostile: str, shown: str) -> None:
    """Control and invisible characters are shown as escapes; letters of any script stay."""
    assert printable(hostile) == shown


def test_wrapping_keeps_words_whole_and_lines_within_the_width() -> None:
    """Lines fit, the continuation is aligned, and a long word can still be copied."""
    url = "https://example.com/" + "x" * 60
    lines = wrap(f"one two three four five six seven {url}", 30, first="  cause  ")
    assert all(len(line) <= 30 or url in line for line in lines)
    assert lines[0].startswith("  cause  one")
    assert all(line.startswith(" " * 9) for line in lines[1:])
    assert "".join(lines).count(url) == 1


def test_wrapping_keeps_the_lines_of_the_text_and_an_empty_one() -> None:
    """A message of several lines stays one of several lines."""
    assert wrap("one\n\ntwo", 40, first="- ") == ["- one", "  ", "  two"]


def test_columns_are_aligned() -> None:
    """Cells of a column begin at the same place."""
    assert columns([("a", "1"), ("long", "2")]) == ["a     1", "long  2"]
    assert columns([]) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0s"), (0.44, "0.4s"), (9.96, "10s"), (59.7, "1m00s"), (185, "3m05s"), (7800, "2h10m")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    """Short ones have tenths, long ones minutes or hours."""
    assert duration(seconds) == text


def test_moments_are_cut_to_the_second_and_stay_utc() -> None:
    """Fractions go, the zone stays."""
    assert moment("2026-05-01T12:00:03.25+00:00") == "2026-05-01 12:00:03Z"
    assert moment("2026-05-01T12:00:03+00:00") == "2026-05-01 12:00:03Z"
    assert moment("2026-05-01T12:00:03Z") == "2026-05-01 12:00:03Z"


def test_a_disabled_palette_changes_nothing() -> None:
    """Without colours every text is returned as it is; with them it is wrapped."""
    assert Style(enabled=False).bad("x") == "x"
    assert Style(enabled=True).bad("x") == "\x1b[31mx\x1b[0m"
