"""SECURITY.md names tests that are there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_exists() -> None:
    """What is claimed is shown by something that runs."""
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", PAGE))
    assert len(named) >= 15
    assert not [name for name in named if not (ROOT / name).is_file()]


def test_every_row_of_the_faults_that_is_named_exists() -> None:
    """By its number in tests/faults/rows.toml."""
    rows = tomllib.loads((ROOT / "tests" / "faults" / "rows.toml").read_text(encoding="utf-8"))
    numbers = {row["number"] for row in rows["row"]}
    named = re.findall(r"fault rows? (\d+)(?: to (\d+))?", PAGE)
    assert named
    for first, last in named:
        assert numbers >= set(range(int(first), int(last or first) + 1))


def test_every_attacker_has_what_is_left() -> None:
    """A section that says what stops an attacker also says what does not."""
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    attackers = [each for each in sections if "| it tries to |" in each]
    assert len(attackers) >= 6
    assert [each.partition("\n")[0] for each in attackers if "*Left:*" not in each] == []
