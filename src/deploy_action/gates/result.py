"""What a gate reports: passed, findings, broken or not run. Knows no tool and prints nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, assert_never

from deploy_action.problem import Problem

__all__ = [
    "Broken",
    "Finding",
    "Findings",
    "GateResult",
    "Level",
    "NotRun",
    "NotRunReason",
    "Passed",
    "refuses",
]

Level = Literal["undefined", "low", "medium", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem, and what a code scanning service needs beside it.

    Attributes:
        problem: what people read; never contains source text or a secret.
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
    """The gate checked something and found nothing that refuses a deployment."""

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
        """The number of findings of each severity, the highest first."""
        counted = Counter(finding.level for finding in self.findings)
        order: tuple[Level, ...] = ("high", "medium", "low", "undefined")
        return {level: counted[level] for level in order if counted[level]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The gate failed to check everything, so it refuses the deployment."""

    gate: str
    duration_seconds: float
    why: str
    remedy: str
    unchecked: tuple[Problem, ...] = ()
    """What could not be checked."""
    findings: tuple[Finding, ...] = ()
    """What was found in the rest."""
    notes: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What could not be checked, then what was found in the rest."""
        return (*self.unchecked, *(finding.problem for finding in self.findings))


class NotRunReason(StrEnum):
    """Why a gate did not run."""

    NOT_CONFIGURED = "not-configured"
    SERVICE_UNREACHABLE = "service-unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRun:
    """The gate checked nothing: deploy.yaml does not name it, or the service it asks is away.

    Attributes:
        why, remedy: what a person should know and do; empty where the gate is not configured.
        refuses: whether deploy.yaml wants no deployment without this gate.
    """

    gate: str
    duration_seconds: float = 0.0
    reason: NotRunReason = NotRunReason.NOT_CONFIGURED
    why: str = ""
    remedy: str = ""
    refuses: bool = False

    @property
    def configured(self) -> bool:
        """Whether deploy.yaml names the gate."""
        return self.reason is not NotRunReason.NOT_CONFIGURED


GateResult = Passed | Findings | Broken | NotRun


def refuses(result: GateResult) -> bool:
    """Tell whether a result refuses the deployment."""
    match result:
        case Passed():
            return False
        case NotRun():
            return result.refuses
        case Findings() | Broken():
            return True
        case _:
            assert_never(result)
