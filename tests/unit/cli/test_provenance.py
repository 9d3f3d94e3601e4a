"""Who and from which commit: git's word where there is one, never a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy_action.cli import provenance
from deploy_action.process import run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that no repository and no configuration of git surrounds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    return tmp_path


def git(*arguments: str) -> str:
    done = run(["git", *arguments], timeout_seconds=10)
    assert done.exit_code == 0, done.stderr
    return done.stdout.strip()


def test_in_a_repository_git_knows(here: Path) -> None:
    """user.name and HEAD of the repository around the working directory."""
    git("init", "-q")
    git("config", "user.name", "Ada")
    git("config", "user.email", "ada@example.com")
    assert provenance.commit() == ""
    git("commit", "-q", "--allow-empty", "-m", "first")
    assert provenance.actor({}) == "Ada"
    assert provenance.commit() == git("rev-parse", "HEAD")


def test_a_repository_is_named_by_github_or_by_its_origin(here: Path) -> None:
    """A proof that a job signed counts on a laptop with a clone of the same repository."""
    assert provenance.repository({"GITHUB_REPOSITORY": "acme/shop"}) == "acme/shop"
    assert provenance.repository({}) == ""
    git("init", "-q")
    git("remote", "add", "origin", "git@github.com:acme/shop.git")
    assert provenance.repository({}) == "acme/shop"


@pytest.mark.parametrize(
    "url",
    [
        "git@github.com:acme/shop.git",
        "https://token:x@gitlab.example.com/acme/shop.git",
        "https://github.com/acme/shop/",
        "ssh://git@example.com:2222/acme/shop.git",
        "/acme/shop",
    ],
)
def test_an_origin_is_known_by_its_path(url: str) -> None:
    """However it is reached, and without what is secret in it."""
    assert provenance.repository_of(url) == "acme/shop"


def test_outside_of_one_the_login_name_is_the_actor(here: Path) -> None:
    """There is always somebody, and no commit is better than a wrong one."""
    assert provenance.actor({"USER": "ada"}) == "ada"
    assert provenance.actor({}) != ""
    assert provenance.commit() == ""


def test_without_git_nothing_fails(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without git deploys too."""
    monkeypatch.setenv("PATH", str(here))
    assert provenance.actor({"USER": "ada"}) == "ada"
    assert provenance.commit() == ""
