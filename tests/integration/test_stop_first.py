"""Where two releases cannot run at once, the gap that was announced is no failure."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.sandbox import sandbox

pytestmark = pytest.mark.docker


def test_the_announced_gap_does_not_undo_the_deployment(tmp_path: Path) -> None:
    """A release that takes a second to start goes live all the same, and the gap was announced."""
    with sandbox(tmp_path, strategy={"order": "stop-first"}, env={"READY_AFTER": "1"}) as box:
        box.deployed("1.0.0")
        done = box.deploy("2.0.0")
        assert done.exit_code == 0, done.text
        assert any("stop-first" in note["text"] for note in done.json["notes"]), done.text
        assert box.serving() == "2.0.0"
