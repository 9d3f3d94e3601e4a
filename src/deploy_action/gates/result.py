"""What a gate says: passed, findings, broken or not run; knows no tool and prints nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from deploy_action.problem import Problem

__all__ = [
    "BANDIT",
    "CONFIG",
    "Broken",
    "Finding",
    "Findings",
    "GateResult",
    "Level",
    "NotRun",
    "Passed",
]

# Here, so that what is not configured need not be imported to be named.
BANDIT = "bandit"
CONFIG = "config"

Level = Literal["undefined", "low", "medium", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem together with what a code scanning service wants to know about it.

    Attributes:
        problem: what people read; never holds source text or a secret.
        level: how severe the tool says it is.
        confidence: how sure the tool is.
        title: short name of the rule ("subprocess_popen_with_shell_equals_true").
        help_uri: page that explains the rule; may be empty.
        cwe: number in the Common Weakness Enumeration; 0 when unknown.
        end_line: 1-based last line; 0 when the same as the first.
        fingerprint: stays the same while the line moves; empty when unknown.
    """

    problem: Problem
    level: Level = "high"
    confidence: Level = "high"
    title: str = ""
    help_uri: str = ""
    cwe: int = 0
    end_line: int = 0
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """The gate looked at something and found nothing that refuses a deployment."""

    gate: str
    duration_seconds: float
    summary: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The gate works and refuses the deployment."""

    gate: str
    duration_seconds: float
    summary: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that refuses the deployment, in the order of files and lines."""
        return tuple(finding.problem for finding in self.findings)

    @property
    def counts(self) -> Mapping[Level, int]:
        """How many findings there are of each severity, the worst first."""
        counted = Counter(finding.level for finding in self.findings)
        order: tuple[Level, ...] = ("high", "medium", "low", "undefined")
        return {level: counted[level] for level in order if counted[level]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Nobody knows whether the gate would have passed, so it refuses the deployment."""

    gate: str
    duration_seconds: float
    why: str
    remedy: str
    unchecked: tuple[Problem, ...] = ()
    """What could not be checked."""
    findings: tuple[Finding, ...] = ()
    """What was found nevertheless."""
    notes: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What could not be checked, then what was found nevertheless."""
        return (*self.unchecked, *(finding.problem for finding in self.findings))


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRun:
    """The gate is not configured: deploy.yaml does not ask for it."""

    gate: str
    duration_seconds: float = 0.0
    reason: Literal["not configured"] = "not configured"


GateResult = Passed | Findings | Broken | NotRun
