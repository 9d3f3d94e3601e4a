"""The bandit gate with the real bandit: it passes, refuses, or says that it cannot tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy_action.gates import bandit
from deploy_action.gates.bandit import BanditOptions
from deploy_action.gates.result import Broken, Findings, Passed

Fill = Callable[..., Path]

CLEAN = "print(1)\n"
SHELL = "import subprocess\nsubprocess.call('ls ' + input(), shell=True)\n"  # B602: high, high
WEAK = "import hashlib\nhashlib.md5(b'x')\n"  # B324: high, high
MEDIUM = "eval(input())\n"  # B307: medium, high
LOW = "import pickle\n"  # B403: low, high
UNSURE = "query = 'select * from t where a = ' + a\n"  # B608: medium, low
PASSWORD = "password = 'hunter2-very-secret'\n"  # B105: low, medium
ALL = BanditOptions(severity="low", confidence="low")


def _bandit(root: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bandit", "-q", "-f", "json", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, check=False)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_clean_code_passes_and_says_how_much_was_scanned(fill: Fill) -> None:
    """Nothing found in something scanned is a pass."""
    result = bandit.run(BanditOptions(), fill({"src/a.py": CLEAN, "b.py": CLEAN}))
    assert isinstance(result, Passed)
    assert result.summary == "2 files, 2 lines"
    assert result.duration_seconds > 0


def test_findings_refuse_and_point_at_file_line_and_column(fill: Fill) -> None:
    """A finding says where it is, which rule it is, how severe, and where to read more."""
    result = bandit.run(BanditOptions(), fill({"src/a.py": SHELL}))
    assert isinstance(result, Findings)
    [problem] = result.problems
    assert (problem.file, problem.line, problem.column) == ("src/a.py", 2, 1)
    assert problem.rule == "B602"
    assert "severity high, confidence high" in problem.message
    assert problem.hint.startswith("https://")
    assert result.counts == {"high": 1}


@pytest.mark.parametrize(
    ("severity", "confidence", "rules"),
    [
        ("low", "low", ["B307", "B403", "B608", "B602"]),
        ("low", "high", ["B307", "B403", "B602"]),
        ("medium", "low", ["B307", "B608", "B602"]),
        ("medium", "medium", ["B307", "B602"]),
        ("high", "high", ["B602"]),
    ],
)
def test_thresholds(fill: Fill, severity: Any, confidence: Any, rules: list[str]) -> None:
    """Only findings at or above both thresholds refuse; the rest is counted in a note."""
    root = fill({"a.py": MEDIUM, "b.py": LOW, "c.py": UNSURE, "d.py": SHELL})
    gate = BanditOptions(severity=severity, confidence=confidence, skips=("B404",))
    result = bandit.run(gate, root)
    assert isinstance(result, Findings)
    assert [problem.rule for problem in result.problems] == rules
    below = 4 - len(rules)
    assert any(f"{below} finding" in note for note in result.notes) is bool(below)


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        ("def f(:\n", 1, "does not parse"),
        ("x = 1\n\n  y = 2\n", 3, "does not parse"),
        (b"x = '\xff'\n", 1, "does not parse"),
        ("x = 1\n" + "-" * 20_000 + "1\n", 0, "was not checked"),
    ],
)
def test_a_file_that_does_not_parse_breaks_the_gate(
    fill: Fill, content: str | bytes, line: int, says: str
) -> None:
    """bandit alone exits 0 on it; what nobody could read may hold anything."""
    root = fill({"bad.py": content, "shell.py": SHELL})
    result = bandit.run(BanditOptions(), root)
    assert isinstance(result, Broken)
    [unchecked] = result.unchecked
    assert unchecked.file == "bad.py"
    assert says in unchecked.message
    if line:
        assert unchecked.line == line
    assert [problem.rule for problem in result.problems[1:]] == ["B602"]
    assert "exclude" in result.remedy


def test_another_encoding_that_is_declared_is_fine(fill: Fill) -> None:
    """Latin-1 with a coding line is scanned like anything else."""
    root = fill({"a.py": b"# coding: latin-1\nx = '\xff'\neval(x)\n"})
    result = bandit.run(BanditOptions(), root)
    assert isinstance(result, Findings)
    assert result.problems[0].line == 3


@pytest.mark.parametrize("path", ["empty", "missing", "docs", "../elsewhere"])
def test_nothing_to_scan_breaks_the_gate(fill: Fill, path: str) -> None:
    """An empty, missing or foreign directory is no pass, and other paths do not make it one."""
    root = fill({"src/a.py": CLEAN, "docs/index.md": ""})
    (root / "empty").mkdir()
    for paths in ((path,), ("src", path)):
        result = bandit.run(BanditOptions(paths=paths), root)
        assert isinstance(result, Broken)
        assert path in result.why


def test_options_in_the_tree_are_not_obeyed(fill: Fill) -> None:
    """Files that bandit loads from the tree, or finds beside it, cannot switch the gate off."""
    hostile = "[bandit]\nexclude: /\nskips: B602\nlevel: 4\ntargets: nowhere\n"
    settings = "[tool.bandit]\nskips = ['B602']\nexclude_dirs = ['.']\n"
    root = fill(
        {
            "a.py": SHELL,
            ".bandit": hostile,
            "sub/.bandit": hostile,
            "pyproject.toml": settings,
            "bandit.yaml": "skips: [B602]\n",
            "setup.cfg": hostile,
            "tox.ini": hostile,
        }
    )
    result = bandit.run(BanditOptions(), root)
    assert isinstance(result, Findings)
    assert [problem.rule for problem in result.problems] == ["B602"]


def test_options_that_are_not_obeyed_are_told(fill: Fill) -> None:
    """Where bandit's own documentation puts them; a file without any is not mentioned."""
    files = {"a.py": CLEAN, "pyproject.toml": '[tool.bandit]\nskips = ["B602"]\n', "tox.ini": ""}
    result = bandit.run(BanditOptions(), fill(files))
    assert isinstance(result, Passed)
    assert [note.partition(" ")[0] for note in result.notes] == ["pyproject.toml"]


def test_modules_in_the_tree_are_not_imported(fill: Fill, monkeypatch: Any) -> None:
    """A module that is named like one of bandit's own does not run, PYTHONPATH or not."""
    evil = "import pathlib\npathlib.Path('ran').touch()\nraise SystemExit(0)\n"
    names = ("json", "yaml", "bandit", "stevedore", "sitecustomize", "usercustomize")
    root = fill({f"{name}.py": evil for name in names} | {"a.py": SHELL})
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.chdir(root)
    result = bandit.run(BanditOptions(), root)
    assert isinstance(result, Findings)
    assert not (root / "ran").exists()


@pytest.mark.parametrize(
    "name",
    [
        b"-r.py",
        b"-",
        b"--exit-zero.py",
        b"with space.py",
        b"new\nline.py",
        b"quote'\".py",
        "ünï.py".encode(),
        b"not-\xff-utf8.py",
        b"a/-/b.py",
    ],
)
def test_names_of_files_are_only_names(fill: Fill, name: bytes) -> None:
    """A name that looks like an option, holds a newline or is no UTF-8 is scanned like others."""
    root = fill({"clean.py": CLEAN, os.fsdecode(name): SHELL})
    paths = (".", os.fsdecode(name))
    result = bandit.run(BanditOptions(paths=paths), root)
    assert isinstance(result, Findings)
    [problem] = result.problems
    assert problem.file == name.decode("utf-8", "backslashreplace")
    problem.file.encode()


def test_nosec_is_honoured_but_counted(fill: Fill) -> None:
    """A suppressed finding does not refuse, but the result says where it was suppressed."""
    root = fill({"a.py": SHELL.replace("True)", "True)  # nosec B602"), "b.py": CLEAN})
    result = bandit.run(BanditOptions(), root)
    assert isinstance(result, Passed)
    assert result.notes[0] == "1 finding suppressed by `# nosec`: a.py (1)"


def test_nosec_can_be_ignored(fill: Fill) -> None:
    """With `nosec: ignore` the comment has no effect."""
    root = fill({"a.py": SHELL.replace("True)", "True)  # nosec")})
    assert isinstance(bandit.run(BanditOptions(nosec="ignore"), root), Findings)


def test_skips_and_tests_choose_the_checks(fill: Fill) -> None:
    """`skips` takes a check out, `tests` takes in nothing else."""
    root = fill({"a.py": SHELL, "b.py": WEAK})
    skipped = bandit.run(BanditOptions(skips=("B602",)), root)
    only = bandit.run(BanditOptions(tests=("B602",)), root)
    assert isinstance(skipped, Findings)
    assert isinstance(only, Findings)
    assert [problem.rule for problem in skipped.problems] == ["B324"]
    assert [problem.rule for problem in only.problems] == ["B602"]


@pytest.mark.parametrize("gate", [BanditOptions(skips=("B9602",)), BanditOptions(tests=("B9602",))])
def test_an_unknown_check_breaks_the_gate(fill: Fill, gate: BanditOptions) -> None:
    """bandit only warns about a misspelt check; here it must be corrected."""
    result = bandit.run(gate, fill({"a.py": CLEAN}))
    assert isinstance(result, Broken)
    assert "B9602" in result.why


def test_skipping_what_is_chosen_leaves_nothing_and_breaks_the_gate(fill: Fill) -> None:
    """A gate without a check cannot pass."""
    gate = BanditOptions(tests=("B602",), skips=("B602",))
    result = bandit.run(gate, fill({"a.py": SHELL}))
    assert isinstance(result, Broken)


def test_excluded_files_are_not_scanned(fill: Fill) -> None:
    """What matches an exclude may hold anything, also what does not parse."""
    root = fill({"src/a.py": CLEAN, "tests/data/bad.py": "def f(:", "src/gen/x.py": SHELL})
    assert isinstance(bandit.run(BanditOptions(exclude=("tests", "**/gen")), root), Passed)


def test_values_of_passwords_are_not_shown(fill: Fill) -> None:
    """bandit echoes the password; no part of the result holds it."""
    root = fill({"a.py": PASSWORD + "f(password='hunter2-very-secret')\n"})
    result = bandit.run(ALL, root)
    assert isinstance(result, Findings)
    assert [problem.rule for problem in result.problems] == ["B105", "B106"]
    assert "hunter2" not in repr(result)


def test_the_environment_is_not_given_to_bandit(fill: Fill, monkeypatch: Any) -> None:
    """The scanner runs over foreign files and has no business with the job's secrets."""
    monkeypatch.setenv("DATABASE_URL", "secret")
    seen: list[dict[str, str]] = []
    popen = subprocess.Popen

    def spy(*arguments: Any, **options: Any) -> Any:
        seen.append(options["env"])
        return popen(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", spy)
    assert isinstance(bandit.run(BanditOptions(), fill({"a.py": CLEAN})), Passed)
    assert seen
    assert all(set(env) <= {"PATH", "HOME"} for env in seen)


def test_parallel_equals_serial_equals_bandit(fill: Fill) -> None:
    """One process, five processes and `bandit -r` find the same."""
    sources = [SHELL, MEDIUM, LOW, UNSURE, PASSWORD, WEAK, CLEAN]
    files = {f"src/p{i % 4}/m{i}.py": sources[i % 7] * (i % 3 + 1) for i in range(40)}
    root = fill({**files, "src/p0/__init__.py": "", "src/tool.pyw": SHELL})
    serial = bandit.run(ALL, root, processes=1)
    parallel = bandit.run(ALL, root, processes=5)
    assert isinstance(serial, Findings)
    assert isinstance(parallel, Findings)
    assert parallel.findings == serial.findings
    theirs = _bandit(root, "-r", "src")["results"]
    assert sorted((p.file, p.line, p.column, p.rule) for p in parallel.problems) == sorted(
        (f["filename"], f["line_number"], f["col_offset"] + 1, f["test_id"]) for f in theirs
    )


def test_fingerprints_survive_moving_and_tell_twins_apart(fill: Fill) -> None:
    """A finding keeps its fingerprint when lines are added above; two equal lines differ."""
    twins = MEDIUM * 2
    before = bandit.run(BanditOptions(), fill({"a.py": twins}))
    after = bandit.run(BanditOptions(), fill({"a.py": "x = 1\n\n" + twins}))
    assert isinstance(before, Findings)
    assert isinstance(after, Findings)
    prints = [finding.fingerprint for finding in before.findings]
    assert len(set(prints)) == 2
    assert [finding.fingerprint for finding in after.findings] == prints
