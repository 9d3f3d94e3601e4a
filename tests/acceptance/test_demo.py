"""The demo, told as `make demo` tells it, in a folder and with an edge of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

pytestmark = pytest.mark.docker
ROOT = Path(__file__).parents[2]
ENVIRON = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "LC_ALL": "C.UTF-8"}


def demo(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run the demo without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "demo", *argv],
        cwd=ROOT,
        env=ENVIRON,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def left(edge: str) -> dict[str, str]:
    """Return what Docker still knows of an edge, by kind."""
    label = f"label=deploy-action.edge={edge}"
    asked = {
        "containers": ["ps", "-aq", "--filter", label],
        "networks": ["network", "ls", "-q", "--filter", label],
        "volumes": ["volume", "ls", "-q", "--filter", f"name=^{edge}$"],
    }
    found = {
        kind: subprocess.run(
            ["docker", *argv], check=True, capture_output=True, text=True
        ).stdout.strip()
        for kind, argv in asked.items()
    }
    return {kind: names for kind, names in found.items() if names}


def test_the_story_comes_true_twice_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """All versions serve as told, no request is lost, a second run begins anew, clean cleans."""
    edge, folder = f"test-demo-{uuid4().hex[:6]}", tmp_path / "demo"
    where = ("--edge", edge, "--folder", str(folder))
    try:
        for _ in range(2):
            told = demo(*where)
            assert told.returncode == 0, told.stdout + told.stderr
            assert " 0 lost. Production serves 1.0.0" in told.stdout
            assert "✗ shop 3.0.0-broken is not live in staging; 2.0.0 still serves" in told.stdout
            assert "\x1b" not in told.stdout
        assert left(edge).keys() == {"containers", "networks", "volumes"}
    finally:
        cleaned = demo(*where, "--clean", "--keep-images")
    assert cleaned.returncode == 0, cleaned.stderr
    assert left(edge) == {}
    assert not folder.exists()


def test_a_folder_that_the_demo_did_not_make_is_left_alone(tmp_path: Path) -> None:
    """A wrong --folder costs nobody their files, in a run as in a clean-up."""
    (tmp_path / "deploy.yaml").write_text("mine")
    where = ("--edge", f"test-demo-{uuid4().hex[:6]}", "--folder", str(tmp_path))
    told = demo(*where)
    assert told.returncode == 1
    assert "is not empty" in told.stderr
    assert demo(*where, "--clean", "--keep-images").returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["deploy.yaml"]
    assert (tmp_path / "deploy.yaml").read_text() == "mine"


def test_a_lost_request_spoils_the_story(tmp_path: Path) -> None:
    """The zero in the table is counted, not printed: an edge that is killed ends the demo with 1."""
    edge = f"test-demo-{uuid4().hex[:6]}"
    where = ("--edge", edge, "--folder", str(tmp_path / "demo"))
    process = subprocess.Popen(
        [sys.executable, "-m", "demo", *where],
        cwd=ROOT,
        env=ENVIRON,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    try:
        with process:
            for line in process.stdout or ():
                lines.append(line)
                if "Version 2" in line:
                    subprocess.run(["docker", "kill", edge], check=True, capture_output=True)
        assert process.returncode == 1, "".join(lines)
        assert any(line.startswith("  ✗ ") for line in lines), "".join(lines)
        assert "Production serves" not in "".join(lines)
    finally:
        process.kill()
        demo(*where, "--clean", "--keep-images")
    assert left(edge) == {}
