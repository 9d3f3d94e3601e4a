"""A sandbox for every fault, with the first version serving."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.sandbox import Sandbox, sandbox


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
