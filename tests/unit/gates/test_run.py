"""All gates together: a deployment goes on only when each one passed or was not asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy_action.errors import ExitCode, GateRefused
from deploy_action.gates import (
    Broken,
    Finding,
    Findings,
    NotRun,
    Passed,
    require_passed,
    run_gates,
)
from deploy_action.gates.bandit import BanditOptions
from deploy_action.gates.config_files import ConfigFile, ConfigFilesOptions
from deploy_action.problem import Problem

Fill = Callable[..., Path]

PASSED = Passed(gate="a", duration_seconds=1, summary="1 file")
BROKEN = Broken(gate="b", duration_seconds=1, why="it crashed", remedy="mend it")
FOUND = Findings(
    gate="c",
    duration_seconds=1,
    summary="2 findings",
    findings=(Finding(problem=Problem(file="a.py", message="m")),),
)


def test_gates_that_are_not_configured_are_not_run(fill: Fill) -> None:
    """Without gates in deploy.yaml nothing runs, and the result says so."""
    results = run_gates({}, fill({"a.py": "eval(x)\n"}))
    assert results
    assert all(isinstance(result, NotRun) for result in results)
    require_passed(results)


def test_a_configured_gate_runs(fill: Fill) -> None:
    """What deploy.yaml asks for is done."""
    results = run_gates({"bandit": BanditOptions()}, fill({"a.py": "eval(x)\n"}))
    assert [type(result) for result in results if result.gate == "bandit"] == [Findings]


@pytest.mark.parametrize(("below", "shown"), [("sub", "sub/src/a.py"), (".", "src/a.py")])
def test_paths_are_relative_to_the_working_directory(
    fill: Fill, monkeypatch: pytest.MonkeyPatch, below: str, shown: str
) -> None:
    """Annotations point at the right file when deploy.yaml lies deeper; paths in it do not care."""
    prefix = "" if below == "." else f"{below}/"
    source = {f"{prefix}src/a.py": "eval(x)\n", f"{prefix}src/bad.py": "def f(:\n"}
    monkeypatch.chdir(fill(source))
    gates = {"bandit": BanditOptions(paths=("src",))}
    for root in (Path(below), Path(below).resolve()):
        [broken] = [result for result in run_gates(gates, root) if isinstance(result, Broken)]
        assert [problem.file for problem in broken.problems] == [
            shown.replace("a.py", "bad.py"),
            shown,
        ]


def test_a_wrong_configuration_file_refuses(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other gate's findings are shown from the working directory too."""
    monkeypatch.chdir(fill({"sub/app.yaml": "a: 1\n"}))
    files = (ConfigFile(file="app.yaml", required=("database",)),)
    gates = {"config": ConfigFilesOptions(files=files)}
    results = run_gates(gates, Path("sub"))
    [found] = [result for result in results if isinstance(result, Findings)]
    assert [problem.file for problem in found.problems] == ["sub/app.yaml"]
    with pytest.raises(GateRefused):
        require_passed(results)


def test_no_configured_gate_is_left_out(fill: Fill) -> None:
    """Each gate that deploy.yaml asks for has a result that is not `NotRun`."""
    files = (ConfigFile(file="gone.yaml"),)
    gates = {"bandit": BanditOptions(), "config": ConfigFilesOptions(files=files)}
    results = run_gates(gates, fill({"a.py": "print(1)\n"}))
    assert [it.gate for it in results if not isinstance(it, NotRun)] == ["bandit", "config"]


def test_passed_and_not_run_let_the_deployment_go_on() -> None:
    """These two, and only these two, do."""
    require_passed([PASSED, NotRun(gate="d")])


@pytest.mark.parametrize("bad", [BROKEN, FOUND])
def test_broken_and_findings_refuse(bad: Broken | Findings) -> None:
    """One refusal among passes is enough; the exit code says that a gate refused."""
    with pytest.raises(GateRefused) as refused:
        require_passed([PASSED, bad])
    assert refused.value.exit_code is ExitCode.GATE_REFUSED


def test_all_refusals_are_told_at_once() -> None:
    """Nobody should mend one gate to learn of the next."""
    with pytest.raises(GateRefused) as refused:
        require_passed([BROKEN, FOUND])
    text = str(refused.value)
    assert "it crashed" in text
    assert "2 findings" in text
    assert "mend it" in text
