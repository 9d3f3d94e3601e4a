"""Runs the configured gates one after the other and says whether a deployment may go on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

from deploy_action.config.model import Gates
from deploy_action.errors import GateRefused
from deploy_action.gates import bandit
from deploy_action.gates.result import Broken, Findings, GateResult, NotRun, Passed

__all__ = ["require_passed", "run_gates"]


def run_gates(gates: Gates, root: Path) -> tuple[GateResult, ...]:
    """Run every gate, also after one refused, so that all is known at once.

    Args:
        gates: what deploy.yaml asks for; a gate that it does not name is `NotRun`.
        root: the repository; all paths in the results are relative to it.
    """
    return (bandit.run(gates.bandit, root) if gates.bandit else NotRun(gate=bandit.NAME),)


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
