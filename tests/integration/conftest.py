"""A sandbox for every test on the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.sandbox import Sandbox, sandbox


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Sandbox]:
    """A repository with a deploy.yaml, an edge's name and a port; nothing is deployed yet."""
    with sandbox(tmp_path) as made:
        yield made
