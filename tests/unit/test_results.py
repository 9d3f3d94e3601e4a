"""The page of results says what was measured, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks import results
from benchmarks.measuring import RESULTS

ROOT = Path(__file__).parents[2]


def test_the_page_is_made_of_the_samples() -> None:
    """Neither a figure nor a verdict was written by hand: `python -m benchmarks.results`."""
    assert results.PAGE.read_text() == results.render()


def test_the_pictures_are_drawn_from_the_samples() -> None:
    """All of them, byte for byte, and there are no others."""
    drawn = results.pictures()
    assert {path.name: path.read_text() for path in RESULTS.glob("*.svg")} == drawn


def test_the_comparison_tells_these_numbers_and_no_others() -> None:
    """The rows that name a benchmark are the computed ones: see `results.claims`."""
    lines = (ROOT / "docs/explanation/comparison.md").read_text().splitlines()
    assert [line for line in lines if "-m benchmarks." in line] == list(results.claims())


def test_every_benchmark_has_results_and_is_run_by_make_bench() -> None:
    """What nobody runs nobody has measured."""
    makefile = (ROOT / "Makefile").read_text()
    listed = re.search(r"^BENCHMARKS := (.*)$", makefile, re.MULTILINE)
    assert listed is not None
    names = tuple(listed[1].split())
    assert names == results.NAMES
    assert {path.stem for path in RESULTS.glob("*.json")} == set(names)
