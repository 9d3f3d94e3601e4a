"""The gates: what must pass before anything changes. A gate that could not check fails closed."""

from deploy_action.gates.result import (
    Broken,
    Finding,
    Findings,
    GateResult,
    NotRun,
    NotRunReason,
    Passed,
    refuses,
)
from deploy_action.gates.run import require_passed, run_gates
from deploy_action.gates.sarif import sarif

__all__ = [
    "Broken",
    "Finding",
    "Findings",
    "GateResult",
    "NotRun",
    "NotRunReason",
    "Passed",
    "refuses",
    "require_passed",
    "run_gates",
    "sarif",
]
