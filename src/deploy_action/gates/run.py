"""Runs the configured gates one after the other and says whether a deployment may go on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from deploy_action.config.model import Gates
from deploy_action.errors import GateRefused
from deploy_action.gates.result import (
    BANDIT,
    CONFIG,
    Broken,
    Finding,
    Findings,
    GateResult,
    NotRun,
    Passed,
)
from deploy_action.problem import Problem

__all__ = ["require_passed", "run_gates"]


def run_gates(gates: Gates, root: Path) -> tuple[GateResult, ...]:
    """Run every gate, also after one refused, so that all is known at once.

    Args:
        gates: what deploy.yaml asks for; a gate that it does not name is `NotRun`.
        root: the directory of deploy.yaml, which all paths in it are relative to; the paths in
            the results are relative to the working directory.
    """
    results = (_bandit(gates, root), _config(gates, root))
    below = os.path.relpath(root)
    return results if below == os.curdir else tuple(_moved(result, below) for result in results)


def _bandit(gates: Gates, root: Path) -> GateResult:
    if not gates.bandit:
        return NotRun(gate=BANDIT)
    from deploy_action.gates import bandit

    return bandit.run(gates.bandit, root)


def _config(gates: Gates, root: Path) -> GateResult:
    if not gates.config:
        return NotRun(gate=CONFIG)
    from deploy_action.gates import appconfig

    return appconfig.run(gates.config, root)


def _moved(result: GateResult, below: str) -> GateResult:
    """Show the files of a result as the user would type them."""

    def problem(it: Problem) -> Problem:
        return replace(it, file=os.path.normpath(Path(below, it.file)))

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
    """Let the deployment go on only if each gate passed or is not configured.

    Raises:
        GateRefused: at least one gate has findings or is broken.
    """
    refusals: list[str] = []
    remedies: list[str] = []
    for result in results:
        match result:
            case Passed() | NotRun():
                pass
            case Findings():
                refusals.append(f"{result.gate}: {result.summary}")
                remedies.append("mend the findings")
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
