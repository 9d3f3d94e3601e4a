"""The gates: what must pass before anything changes; a gate that cannot tell fails closed."""

from deploy_action.gates.result import Broken, Finding, Findings, GateResult, NotRun, Passed
from deploy_action.gates.run import require_passed, run_gates
from deploy_action.gates.sarif import sarif

__all__ = [
    "Broken",
    "Finding",
    "Findings",
    "GateResult",
    "NotRun",
    "Passed",
    "require_passed",
    "run_gates",
    "sarif",
]
