"""The rollback button of a checkout: found by what it does, not by its name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deploy_action.github.button import rollback_button
from deploy_action.init import initialise

ROOT = Path(__file__).parents[3]
SHOP = "https://github.com/acme/shop"


def test_the_example_and_what_init_writes_are_buttons(tmp_path: Path) -> None:
    """Under whatever name it was copied."""
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    assert rollback_button(SHOP, tmp_path) == ""
    shutil.copy(ROOT / "examples/workflows/rollback-button.yml", folder / "back.yml")
    shutil.copy(ROOT / "examples/workflows/single-service.yml", folder / "a.yml")
    assert rollback_button(SHOP, tmp_path) == f"{SHOP}/actions/workflows/back.yml"
    assert rollback_button("", tmp_path) == ""
    (folder / "back.yml").unlink()
    (tmp_path / "Dockerfile").write_text("FROM debian\nEXPOSE 8080\n")
    initialise(tmp_path)
    assert rollback_button(SHOP, tmp_path) == f"{SHOP}/actions/workflows/rollback.yml"


@pytest.mark.parametrize(
    "text",
    [
        "on: push\njobs: {a: {uses: org/deploy-action/.github/workflows/rollback.yml@v1}}\n",
        "on:\n  workflow_dispatch:\n# command: rollback\njobs: {}\n",
    ],
)
def test_what_nobody_can_press_is_no_button(tmp_path: Path, text: str) -> None:
    """It needs a trigger by hand, and to roll back."""
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    (folder / "a.yml").write_text(text)
    assert rollback_button(SHOP, tmp_path) == ""
