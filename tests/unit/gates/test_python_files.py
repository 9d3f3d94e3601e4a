"""Selection of files: everything that cannot be scanned is a problem, never a silence."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy_action.gates.python_files import matches, select

Fill = Callable[..., Path]


def _paths(root: Path, *paths: str, exclude: tuple[str, ...] = ()) -> list[str]:
    return [file.path for file in select(root, paths or (".",), exclude).files]


def test_finds_py_and_pyw_and_nothing_else(fill: Fill) -> None:
    """Only .py and .pyw are taken from a directory, sorted by path."""
    root = fill({"b.pyw": "", "a.py": "", "c.txt": "", "d/e.py": "", "f.pyc": ""})
    assert _paths(root) == ["a.py", "b.pyw", "d/e.py"]


def test_a_named_file_is_taken_whatever_its_name(fill: Fill) -> None:
    """A file that is named itself is scanned without a suffix too."""
    assert _paths(fill({"bin/tool": "pass"}), "bin/tool") == ["bin/tool"]


def test_overlapping_paths_bring_a_file_once(fill: Fill) -> None:
    """The same file reached by two spellings is one file."""
    assert _paths(fill({"src/app/a.py": ""}), "src", "./src/app", "src/app/a.py") == [
        "src/app/a.py"
    ]


@pytest.mark.parametrize("hidden", [".git/hooks/a.py", "x/__pycache__/a.py", "y.egg/a.py"])
def test_leaves_out_what_bandit_leaves_out(fill: Fill, hidden: str) -> None:
    """Directories of tools are not scanned."""
    assert _paths(fill({hidden: "", "a.py": ""})) == ["a.py"]


def test_a_similar_name_is_not_left_out(fill: Fill) -> None:
    """.github is not .git: comparing substrings would hide what runs in workflows."""
    assert _paths(fill({".github/scripts/a.py": ""})) == [".github/scripts/a.py"]


@pytest.mark.parametrize(
    ("path", "glob", "expected"),
    [
        ("tests/a.py", "tests", True),
        ("tests/a.py", "tests/", True),
        ("tests/a.py", "./tests", True),
        ("tests/a.py", "tests/**", True),
        ("tests/deep/a.py", "tests/*", True),
        ("tests/deep/a.py", "tests/*.py", False),
        ("src/tests/a.py", "tests", False),
        ("src/tests/a.py", "**/tests", True),
        ("tests/a.py", "**/tests", True),
        ("latests/a.py", "**/tests", False),
        ("src/test_a.py", "**/test_*.py", True),
        ("src/a.py", "src/?.py", True),
        ("src/aXpy", "src/a.py", False),
        ("src/[a].py", "src/[a].py", True),
        ("src/a.py", "", False),
        ("src/a.py", "src/**/*.py", True),
        ("src/deep/er/a.py", "src/**/*.py", True),
        ("a/b/c.py", "a/**/b/*.py", True),
        ("a/xb/c.py", "a/**/b/*.py", False),
    ],
)
def test_globs(path: str, glob: str, expected: bool) -> None:
    """`*` stops at a slash, `**` does not, and a directory stands for all that is in it."""
    assert matches(path, [glob]) is expected


@pytest.mark.parametrize(
    "glob", ["**/" * 40 + "x", "*" * 100 + "x", "**a" * 60 + "x", "?*" * 100 + "x"]
)
def test_a_glob_costs_linear_time(glob: str) -> None:
    """Whoever opens a pull request writes it; trying every way to divide a path would take years."""
    begun = time.monotonic()
    assert not matches("a" * 200 + "/" + "a/" * 200 + "b", [glob])
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/etc", "outside"),
        ("../other", "outside"),
        ("a/../../other", "outside"),
        ("gone", "missing-path"),
        ("empty", "nothing-to-scan"),
        ("docs", "nothing-to-scan"),
    ],
)
def test_a_path_that_brings_nothing_is_a_problem(fill: Fill, path: str, rule: str) -> None:
    """Each path must bring a file, even when another path brings many."""
    root = fill({"src/a.py": "", "docs/a.txt": ""})
    (root / "empty").mkdir()
    selection = select(root, ("src", path), ())
    assert [(p.file, p.rule) for p in selection.problems] == [(path, rule)]


def test_excluding_everything_is_a_problem(fill: Fill) -> None:
    """An exclude that leaves nothing does not make the gate pass."""
    selection = select(fill({"src/a.py": ""}), ("src",), ("**",))
    assert [problem.rule for problem in selection.problems] == ["nothing-to-scan"]


def test_what_cannot_be_opened_is_a_problem(fill: Fill) -> None:
    """A dangling link and a named pipe (which would hang the scan) are problems."""
    root = fill({"a.py": ""})
    (root / "dangling.py").symlink_to("nowhere")
    os.mkfifo(root / "pipe.py")
    selection = select(root, (".",), ())
    assert {(p.file, p.rule) for p in selection.problems} == {
        ("dangling.py", "unreadable"),
        ("pipe.py", "unreadable"),
    }
    assert [file.path for file in selection.files] == ["a.py"]


def test_a_link_that_leads_out_is_a_problem_and_is_not_scanned(tmp_path: Path) -> None:
    """Findings would quote what it leads to; one inside is scanned as what it leads to."""
    root = tmp_path / "repository"
    (root / "src").mkdir(parents=True)
    (tmp_path / "secret.py").write_text("password = 'x'\n")
    (root / "src" / "a.py").write_text("pass\n")
    (root / "src" / "b.py").symlink_to("a.py")
    (root / "src" / "c.py").symlink_to(tmp_path / "secret.py")
    (root / "out").symlink_to(tmp_path)
    found = select(root, ["src", "out"], [])
    assert [file.path for file in found.files] == ["src/a.py", "src/b.py"]
    assert {(p.file, p.rule) for p in found.problems} == {
        ("src/c.py", "outside"),
        ("out", "outside"),
    }
