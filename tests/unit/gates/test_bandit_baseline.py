"""The baseline: what bandit reported before is not counted again, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy_action.gates import bandit
from deploy_action.gates.bandit import BanditOptions
from deploy_action.gates.result import Broken, Findings, Passed

Fill = Callable[..., Path]

EVAL = "eval(input())\n"
SHELL = "import subprocess\nsubprocess.call('ls ' + input(), shell=True)\n"
GATE = BanditOptions(baseline="baseline.json")


def _write_baseline(root: Path, target: str = ".") -> None:
    command = [sys.executable, "-m", "bandit", "-q", "-r", target, "-f", "json"]
    command += ["-o", str(root / "baseline.json")]
    subprocess.run(command, cwd=root, check=False, capture_output=True)


@pytest.mark.parametrize("target", [".", "src", "absolute"])
def test_known_findings_do_not_refuse(fill: Fill, target: str) -> None:
    """A report over any spelling of the path explains the findings, also when lines moved."""
    root = fill({"src/a.py": EVAL + SHELL})
    _write_baseline(root, str(root) if target == "absolute" else target)
    fill({"src/a.py": "x = 1\n\n" + EVAL + SHELL})
    result = bandit.run(GATE, root)
    assert isinstance(result, Passed)
    assert "2 findings known from the baseline" in result.notes


def test_a_new_finding_refuses(fill: Fill) -> None:
    """Another rule in the same file and the same rule in another file are new."""
    root = fill({"src/a.py": EVAL})
    _write_baseline(root)
    fill({"src/a.py": EVAL + SHELL, "src/b.py": EVAL})
    result = bandit.run(GATE, root)
    assert isinstance(result, Findings)
    assert [(p.file, p.rule) for p in result.problems] == [
        ("src/a.py", "B602"),
        ("src/b.py", "B307"),
    ]


def test_one_more_of_a_known_kind_refuses(fill: Fill) -> None:
    """bandit takes a second one for known; here both are shown, as nobody knows which is new."""
    root = fill({"a.py": EVAL})
    _write_baseline(root)
    fill({"a.py": EVAL * 2})
    result = bandit.run(GATE, root)
    assert isinstance(result, Findings)
    assert [problem.line for problem in result.problems] == [1, 2]


def test_known_passwords_are_matched_by_value_and_still_not_shown(fill: Fill) -> None:
    """A changed password is a new finding."""
    root = fill({"a.py": "password = 'hunter1'\n"})
    _write_baseline(root)
    gate = BanditOptions(baseline="baseline.json", severity="low", confidence="low")
    assert isinstance(bandit.run(gate, root), Passed)
    fill({"a.py": "password = 'hunter2'\n"})
    result = bandit.run(gate, root)
    assert isinstance(result, Findings)
    assert "hunter2" not in repr(result)


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "{",
        "[]",
        "{}",
        json.dumps({"results": 5}),
        json.dumps({"results": [1]}),
        json.dumps({"results": [{"filename": "a.py"}]}),
        "[" * 100_000,
        b"\xff",
    ],
)
def test_a_baseline_that_cannot_be_read_breaks_the_gate(
    fill: Fill, content: str | bytes | None
) -> None:
    """bandit only warns and scans without it; here it must be mended."""
    root = fill({"a.py": "print(1)\n"} | ({} if content is None else {"baseline.json": content}))
    result = bandit.run(GATE, root)
    assert isinstance(result, Broken)
    assert "baseline.json" in result.why
    assert "bandit -r" in result.remedy
