"""Every file that deploy.yaml names is one of the repository, whoever wrote deploy.yaml."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy_action.config import check
from deploy_action.config.dockerfile import read_dockerfile
from deploy_action.repository import leads_out, repository_of

BASE: dict[str, Any] = {"version": 1, "service": "shop", "image": "ghcr.io/acme/shop", "port": 80}
KEYS: dict[str, Callable[[str], dict[str, Any]]] = {
    "build": lambda name: {"build": name},
    "build.context": lambda name: {"build": {"context": name}},
    "build.dockerfile": lambda name: {"build": {"dockerfile": name}},
    "route.certificate.file": lambda name: {"route": {"certificate": {"file": name}}},
    "gates.config[0].file": lambda name: {
        "gates": {"config": [{"file": name, "format": "yaml", "required": ["a"]}]}
    },
    "gates.config[0].schema": lambda name: {
        "gates": {"config": [{"file": "own.yaml", "schema": name}]}
    },
    "gates.bandit.paths[1]": lambda name: {"gates": {"bandit": {"paths": [".", name]}}},
    "gates.bandit.baseline": lambda name: {"gates": {"bandit": {"baseline": name}}},
    "gates.pip_audit.files[0]": lambda name: {"gates": {"pip_audit": {"files": [name]}}},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a repository, with links, beside which something lies that is nobody's business."""
    (tmp_path / "secret").write_text("a: 1\n")
    made = tmp_path / "repository" / "services" / "shop"
    made.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    (made / "own.yaml").write_text("a: 1\n")
    (made / "link").symlink_to(tmp_path / "secret")
    (made / "folder").symlink_to(tmp_path)
    (made / "loop").symlink_to("loop")
    (made / "above").symlink_to("..")
    return made


def problems(folder: Path, config: dict[str, Any]) -> list[tuple[str, str]]:
    """Return rule and place of every problem of a deploy.yaml."""
    (folder / "deploy.yaml").write_text(yaml.safe_dump(config))
    return [(problem.rule, problem.where) for problem in check(folder / "deploy.yaml")[1]]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("way", ["..", "absolute", "link", "folder", "loop"])
def test_a_file_outside_of_the_repository_is_refused(folder: Path, key: str, way: str) -> None:
    """At its place, whichever way leads there; nothing is read for that."""
    names = {
        "..": "../../../secret",
        "absolute": str(folder.parents[2] / "secret"),
        "link": "link",
        "folder": "folder/secret",
        "loop": "loop",
    }
    found = problems(folder, BASE | KEYS[key](names[way]))
    assert ("outside-repository", key) in found


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", ["own.yaml", "../shop/own.yaml", "above/shop/own.yaml", "./none"])
def test_a_file_of_the_repository_is_not(folder: Path, key: str, name: str) -> None:
    """Above deploy.yaml too, and through a link that stays inside; whether it exists is another matter."""
    found = problems(folder, BASE | KEYS[key](name))
    assert [rule for rule, _ in found if rule == "outside-repository"] == []


def test_a_dockerfile_elsewhere_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its VOLUMEs would be told."""
    read: list[str] = []

    def noting(text: str, *arguments: Any) -> Any:
        read.append(text)
        return read_dockerfile(text, *arguments)

    monkeypatch.setattr("deploy_action.config.lint.read_dockerfile", noting)
    problems(folder, BASE | {"build": {"dockerfile": "link"}})
    assert set(read) == {""}


def test_deploy_yaml_itself_is_not_a_link_out(folder: Path) -> None:
    """An error would show a line of what it leads to."""
    (folder / "linked.yaml").symlink_to(folder.parents[2] / "secret")
    config, found = check(folder / "linked.yaml")
    assert config is None
    assert [problem.rule for problem in found] == ["outside-repository"]


def test_without_git_the_working_directory_is_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the folder of deploy.yaml where that is elsewhere."""
    inside, elsewhere = tmp_path / "work" / "shop", tmp_path / "other"
    for folder in (inside, elsewhere):
        folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    assert repository_of(inside) == tmp_path / "work"
    assert repository_of(elsewhere) == elsewhere
    assert leads_out(elsewhere, "../work/x")
    assert not leads_out(inside, "../x")


def test_a_folder_that_is_a_link_does_not_move_the_repository(tmp_path: Path) -> None:
    """Where it is written counts, not where it leads to."""
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "repository" / "shop").symlink_to(tmp_path / "elsewhere")
    assert leads_out(tmp_path / "repository" / "shop", "deploy.yaml")
