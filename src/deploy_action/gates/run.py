"""Runs the configured gates and decides whether a deployment may go on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from deploy_action.errors import GateRefused
from deploy_action.gates.registry import GATES
from deploy_action.gates.result import Broken, Finding, Findings, GateResult, NotRun, Passed
from deploy_action.problem import Problem

__all__ = ["require_passed", "run_gates"]


def run_gates(configured: Mapping[str, object], root: Path) -> tuple[GateResult, ...]:
    """Run every configured gate, also after one refused, so that a report is complete.

    Args:
        configured: the options of each gate by its key; any other gate is `NotRun`.
        root: the directory of deploy.yaml, which its paths are relative to. The paths in the
            results are relative to the working directory.
    """
    results = tuple(
        gate.run(configured[gate.key], root) if gate.key in configured else NotRun(gate=gate.name)
        for gate in GATES
    )
    prefix = os.path.relpath(root)
    return results if prefix == os.curdir else tuple(_moved(it, prefix) for it in results)


def _moved(result: GateResult, prefix: str) -> GateResult:
    """Show the files of a result as the user would type them."""

    def problem(it: Problem) -> Problem:
        return replace(it, file=os.path.normpath(Path(prefix, it.file)))

    def findings(those: Sequence[Finding]) -> tuple[Finding, ...]:
        return tuple(replace(it, problem=problem(it.problem)) for it in those)

    match result:
        case Passed() | NotRun():
            return result
        case Findings():
            return replace(result, findings=findings(result.findings))
        case Broken():
            unchecked = tuple(problem(it) for it in result.unchecked)
            return replace(result, findings=findings(result.findings), unchecked=unchecked)
        case _:
            assert_never(result)


def require_passed(results: Sequence[GateResult]) -> None:
    """Return if no gate refuses the deployment.

    Raises:
        GateRefused: a gate has findings, is broken, or did not run and must run.
    """
    refusals: list[str] = []
    remedies: list[str] = []
    for result in results:
        match result:
            case Passed():
                pass
            case NotRun():
                if result.refuses:
                    refusals.append(f"{result.gate} did not run: {result.why}")
                    remedies.append(result.remedy)
            case Findings():
                refusals.append(f"{result.gate}: {result.summary}")
                remedies.append("fix the findings")
            case Broken():
                refusals.append(f"{result.gate} is broken: {result.why}")
                remedies.append(result.remedy)
            case _:
                assert_never(result)
    if refusals:
        raise GateRefused(
            f"a gate refused the deployment: {'; '.join(refusals)}",
            cause="nothing was changed; the gates must pass first",
            remedy="; ".join(dict.fromkeys(remedies)),
        )
