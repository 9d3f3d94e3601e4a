"""A sandbox for every fault, with the first version serving, and what `table` reports of a test."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from tests.support.sandbox import Sandbox, counting, sandbox

_RANGE = re.compile(r"(\d+) to (\d+)")
_ROWS = re.compile(r"Rows? ((?:\d+(?:, | and | to )?)+)")


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Sandbox]:
    """Nothing is deployed yet."""
    with sandbox(tmp_path) as made:
        yield made


@pytest.fixture
def shop(box: Sandbox) -> Sandbox:
    """Version 1.0.0 serves."""
    box.deployed("1.0.0")
    return box


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note in the report which rows of the fault table a test is about.

    The name of a case says it ("row6-missing"); where no case of a test does, its docstring.
    """
    ours = [item for item in items if isinstance(item, pytest.Function)]
    by_case = {item.function for item in ours if "[row" in item.name}
    for item in ours:
        if Path(__file__).parent not in item.path.parents:
            continue
        if item.function in by_case:
            rows = set(re.findall(r"\[row(\d+)", item.name))
        else:
            rows = _rows(item.function.__doc__ or "")
        item.user_properties.append(("rows", " ".join(sorted(rows, key=int))))
        item.user_properties.append(("claim", (item.function.__doc__ or "").partition("\n")[0]))


def _rows(claim: str) -> set[str]:
    rows: set[str] = set()
    for said in _ROWS.findall(claim):
        for first, last in _RANGE.findall(said):
            rows |= set(map(str, range(int(first), int(last) + 1)))
        rows |= set(re.findall(r"\d+", said))
    return rows


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Note in the report how many requests were sent meanwhile, and how many were lost."""
    with counting() as loads:
        try:
            yield
        finally:
            if loads:
                item.user_properties.append(("sent", sum(load.sent for load in loads)))
                item.user_properties.append(("lost", sum(load.lost for load in loads)))
