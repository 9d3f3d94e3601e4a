"""A release: what becomes of git, rehearsed with a repository and a remote of one's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
IMAGE = f"ghcr.io/org/deploy-action@sha256:{'a1' * 32}"
BUILD = f"ghcr.io/org/deploy-action@sha256:{'c3' * 32}"
OTHER = f"ghcr.io/org/deploy-action@sha256:{'b2' * 32}"
CHANGELOG = """\
# Changelog

## [Unreleased]

## [{version}] - 2026-03-01

### Added

- Rollback {version}.

## [0.9.0] - 2026-01-01

- The first.
"""
ACTIONS = (
    *("action.yml", "build/action.yml", "plan/action.yml"),
    *("rollback/action.yml", "validate/action.yml"),
)


def git(root: Path, *argv: str) -> str:
    who = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
    argv = ("git", *who, *argv)
    return subprocess.run(argv, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def release(root: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "scripts/release"), *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def written(root: Path, version: str) -> None:
    """Commit the version to main, as a pull request does."""
    (root / "CHANGELOG.md").write_text(CHANGELOG.format(version=version))
    module = root / "src/deploy_action/__init__.py"
    module.parent.mkdir(parents=True, exist_ok=True)
    module.write_text(f'"""The package."""\n\n__version__ = "{version}"\n')
    git(root, "add", "-A")
    git(root, "commit", "-qm", f"Become {version}")
    git(root, "push", "-q", "origin", "main")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A clone of our own files, the remote beside it."""
    remote, clone = tmp_path / "remote.git", tmp_path / "clone"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(remote))
    git(tmp_path, "clone", "-q", str(remote), str(clone))
    for name in (*ACTIONS, "Dockerfile", "Dockerfile.build", "scripts/release"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, clone / name)
    git(clone, "config", "user.name", "ada")
    git(clone, "config", "user.email", "ada@example.com")
    git(clone, "checkout", "-qB", "main")
    written(clone, "1.2.0")
    return clone


def images(root: Path, ref: str) -> set[str]:
    """Return the images that the actions of a commit on the remote name."""
    remote = root.parent / "remote.git"
    texts = [git(remote, "show", f"{ref}:{name}") for name in ACTIONS]
    runs: list[Mapping[str, Any]] = [yaml.safe_load(text)["runs"] for text in texts]
    commands = [None, ["build"], ["plan"], ["rollback"], ["validate"]]
    assert [each.get("args") for each in runs] == commands
    return {each["image"] for each in runs}


def test_a_release_names_the_image_by_its_digest_and_no_branch_moves(root: Path) -> None:
    """The version's tag and the moving one stand for a commit that differs from main's only by the
    image; the tag says what is new; main still builds what is checked out."""
    done = release(root, "publish", "1.2.0", IMAGE, BUILD)
    assert done.returncode == 0, done.stderr
    remote = root.parent / "remote.git"
    assert (
        images(root, "v1.2.0") == images(root, "v1") == {f"docker://{IMAGE}", f"docker://{BUILD}"}
    )
    assert f"docker://{BUILD}" in git(remote, "show", "v1.2.0:build/action.yml")
    assert f"docker://{IMAGE}" in git(remote, "show", "v1.2.0:action.yml")
    assert images(root, "main") == {"Dockerfile", "../Dockerfile", "../Dockerfile.build"}
    assert git(remote, "rev-parse", "v1.2.0^{commit}^") == git(remote, "rev-parse", "main")
    changed = git(remote, "diff", "--name-only", "main", "v1.2.0").split()
    assert changed == sorted(ACTIONS)
    assert (
        git(remote, "tag", "-l", "--format=%(contents)", "v1.2.0")
        == "### Added\n\n- Rollback 1.2.0."
    )


def test_the_moving_tag_follows_and_a_version_does_not(root: Path) -> None:
    """v1 goes from 1.2.0 to 1.3.0; what was released as 1.2.0 stays that, whoever tries again."""
    assert release(root, "publish", "1.2.0", IMAGE, BUILD).returncode == 0
    git(root, "checkout", "-q", "main")
    git(root, "reset", "-q", "--hard", "origin/main")
    again = release(root, "publish", "1.2.0", OTHER, BUILD)
    assert again.returncode == 1
    assert "released already" in again.stderr
    written(root, "1.3.0")
    assert release(root, "publish", "1.3.0", OTHER, BUILD).returncode == 0
    assert images(root, "v1.2.0") == {f"docker://{IMAGE}", f"docker://{BUILD}"}
    assert (
        images(root, "v1") == images(root, "v1.3.0") == {f"docker://{OTHER}", f"docker://{BUILD}"}
    )


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("check", "v1.2.0"), "is not a version"),
        (("check", "1.2"), "is not a version"),
        (("check", "1.2.0; rm"), "is not a version"),
        (("check", "1.2.1"), "says 1.2.0, not 1.2.1"),
        (("notes", "1.2.1"), "has no section"),
        (("pin", "ghcr.io/org/deploy-action:1.2.0", BUILD), "by its digest"),
        (("pin", IMAGE, "ghcr.io/org/deploy-action:1.2.0-build"), "by its digest"),
        (("publish", "1.2.0", "latest", BUILD), "by its digest"),
    ],
)
def test_what_cannot_be_released_is_refused_before_anything_is_pushed(
    root: Path, argv: tuple[str, ...], words: str
) -> None:
    """The message says why, and neither a file nor the remote is changed."""
    done = release(root, *argv)
    assert done.returncode == 1
    assert words in done.stderr
    assert git(root, "status", "--porcelain") == ""
    assert git(root.parent / "remote.git", "tag") == ""


def test_an_action_that_names_another_image_is_not_pinned_silently(root: Path) -> None:
    """A release would ship an image that nobody tested."""
    file = root / "plan/action.yml"
    file.write_text(file.read_text().replace("../Dockerfile", "docker://debian:latest"))
    done = release(root, "pin", IMAGE, BUILD)
    assert done.returncode == 1
    assert "plan/action.yml has 0 lines" in done.stderr
    assert IMAGE not in (root / "action.yml").read_text()


def test_notes_are_the_section_alone(root: Path) -> None:
    """Neither the heading, which the page has already, nor the version before."""
    assert release(root, "notes", "1.2.0").stdout == "### Added\n\n- Rollback 1.2.0.\n"


def test_the_usage_is_said_where_the_command_is_unknown(root: Path) -> None:
    """And it is a failure: a misspelt step must not pass."""
    for argv in ((), ("tag",), ("check",), ("publish", "1.2.0")):
        done = release(root, *argv)
        assert (done.returncode, "scripts/release check" in done.stderr) == (2, True)


def test_a_release_is_drafted_and_published_by_a_person() -> None:
    """Immutable once published, and without the box for the Marketplace it would stay without."""
    for name in (".github/workflows/release.yml", "docs/how-to/releasing.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        made = [line for line in text.splitlines() if "gh release create" in line]
        assert made
        assert all("--draft" in line for line in made)
