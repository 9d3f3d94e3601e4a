"""Gate results as SARIF 2.1.0 for code scanning, without source text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, assert_never
from urllib.parse import quote

from deploy_action.gates.result import Broken, Finding, Findings, GateResult, NotRun, Passed
from deploy_action.problem import Problem

__all__ = ["MOST_RESULTS", "MOST_RUNS", "sarif"]

MOST_RUNS = 20
MOST_RESULTS = 25_000
"""GitHub refuses a file with more, and keeps the 5,000 most severe results of a run.
https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning"""

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"high": "error", "medium": "warning", "low": "note", "undefined": "none"}
# GitHub's bands: over 9.0 critical, 7.0 to 8.9 high, 4.0 to 6.9 medium, 0.1 to 3.9 low.
SCORES = {"high": "8.0", "medium": "5.0", "low": "2.0", "undefined": "0.0"}
RANKS = {"high": 0, "medium": 1, "low": 2, "undefined": 3}


def sarif(results: Iterable[GateResult], *, version: str = "0") -> dict[str, Any]:
    """Render a run for each gate that ran, so that code scanning closes alerts of fixed findings.

    Args:
        results: what `run_gates` returned; a gate that did not run has no run here, so that its
            alerts stay open.
        version: the version of this program.

    The run of a broken gate is marked as not successful. Of more than `MOST_RESULTS` findings in
    a run the most severe are kept.
    """
    runs = [_run(result, version) for result in results if not isinstance(result, NotRun)]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": runs[:MOST_RUNS]}


def _run(result: Passed | Findings | Broken, version: str) -> dict[str, Any]:
    match result:
        case Passed():
            findings: Sequence[Finding] = ()
        case Findings() | Broken():
            findings = result.findings
        case _:
            assert_never(result)
    if len(findings) > MOST_RESULTS:
        findings = sorted(findings, key=lambda f: RANKS[f.level])[:MOST_RESULTS]
    rules = {finding.problem.rule or result.gate: finding for finding in reversed(findings)}
    index = {rule: position for position, rule in enumerate(sorted(rules))}
    return {
        "tool": {
            "driver": {
                "name": f"deploy-action {result.gate}",
                "version": version,
                "rules": [_rule(rule, rules[rule]) for rule in sorted(rules)],
            }
        },
        "automationDetails": {"id": f"deploy-action/{result.gate}/"},
        "invocations": [_invocation(result)],
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, result.gate, index) for finding in findings],
    }


def _invocation(result: Passed | Findings | Broken) -> dict[str, Any]:
    if not isinstance(result, Broken):
        return {"executionSuccessful": True}
    notifications: list[dict[str, Any]] = [{"level": "error", "message": {"text": result.why}}]
    notifications += [
        {
            "level": "error",
            "message": {"text": problem.message},
            "locations": [_location(problem)],
        }
        for problem in result.unchecked[:MOST_RESULTS]
    ]
    return {"executionSuccessful": False, "toolExecutionNotifications": notifications}


def _rule(rule: str, finding: Finding) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": rule,
        "name": finding.title or rule,
        "shortDescription": {"text": finding.title.replace("_", " ") or rule},
        "fullDescription": {"text": finding.problem.message},
        "defaultConfiguration": {"level": LEVELS[finding.level]},
        "properties": {"tags": []},
    }
    if finding.cwe:
        described["properties"] = {
            "security-severity": SCORES[finding.level],
            "tags": ["security", f"external/cwe/cwe-{finding.cwe:03}"],
        }
    if finding.help_uri:
        described["helpUri"] = finding.help_uri
        described["help"] = {"text": finding.help_uri}
    return described


def _result(finding: Finding, gate: str, index: dict[str, int]) -> dict[str, Any]:
    rule = finding.problem.rule or gate
    shown: dict[str, Any] = {
        "ruleId": rule,
        "ruleIndex": index[rule],
        "level": LEVELS[finding.level],
        "message": {"text": finding.problem.message},
        "locations": [_location(finding.problem, finding.end_line)],
        "properties": {"severity": finding.level, "confidence": finding.confidence},
    }
    if finding.fingerprint:
        shown["partialFingerprints"] = {"primaryLocationLineHash": finding.fingerprint}
    return shown


def _location(problem: Problem, end_line: int = 0) -> dict[str, Any]:
    region = {"startLine": max(1, problem.line)}
    if problem.column:
        region["startColumn"] = problem.column
    if end_line > problem.line:
        region["endLine"] = end_line
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(problem.file), "uriBaseId": "%SRCROOT%"},
            "region": region,
        }
    }
