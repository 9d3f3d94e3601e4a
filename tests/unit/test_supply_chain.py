"""What we take from others is named by what it is, and what others wrote runs without rights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy_action.platforms.docker.edge import artifact

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
RECIPES = (ROOT / "Dockerfile", ROOT / "Dockerfile.build", artifact.DIRECTORY / "Dockerfile")
PINNED = re.compile(r"debian:trixie-slim@sha256:[0-9a-f]{64}")
GITHUBS = ("actions/", "github/", "./", "$/")


@pytest.mark.parametrize("recipe", RECIPES, ids=["action", "build", "edge"])
def test_an_image_that_is_released_names_its_base_by_digest(recipe: Path) -> None:
    """The same one everywhere, so that one renewal is complete."""
    text = "".join(recipe.read_text() for recipe in RECIPES)
    bases = re.findall(r"^FROM (\S+)", recipe.read_text(), re.MULTILINE)
    assert bases
    assert all(PINNED.fullmatch(base) for base in bases)
    assert len(set(PINNED.findall(text))) == 1


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_step_of_a_third_party_has_a_token_that_only_reads(workflow: Path) -> None:
    """What it writes is taken over by another job, which runs nothing of it; findings.yml uploads with
    GitHub's own action."""
    document: dict[str, Any] = yaml.safe_load(workflow.read_text())
    assert document["permissions"] == {}
    for name, job in document["jobs"].items():
        uses = [step["uses"] for step in job.get("steps", ()) if "uses" in step]
        others = [action for action in uses if not action.startswith(GITHUBS)]
        writes = [
            right for right, access in job.get("permissions", {}).items() if access == "write"
        ]
        assert not (others and writes), f"{name}: {others} may write {writes}"


def test_what_is_shipped_is_audited() -> None:
    """Every lock, each week and when one changes."""
    make = (ROOT / "Makefile").read_text()
    [locks] = re.findall(r"for lock in (.*); do", make)
    assert set(locks.split()) == {path.stem for path in (ROOT / "requirements").glob("*.txt")}
    audit = yaml.safe_load((ROOT / ".github/workflows/audit.yml").read_text())
    assert "make audit" in str(audit["jobs"])
    # YAML 1.1 reads the key `on` as true.
    assert {"schedule", "pull_request"} <= set(audit[True])
