"""SARIF for code scanning: what GitHub needs is there, what it refuses is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deploy_action.gates import Broken, Finding, Findings, NotRun, Passed, bandit, sarif
from deploy_action.gates.bandit import BanditOptions
from deploy_action.gates.sarif import MOST_RESULTS, MOST_RUNS
from deploy_action.problem import Problem

Fill = Callable[..., Path]

LOCATIONS = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["physicalLocation"],
        "properties": {
            "physicalLocation": {
                "type": "object",
                "required": ["artifactLocation", "region"],
                "properties": {
                    "artifactLocation": {
                        "type": "object",
                        "required": ["uri"],
                        "properties": {"uri": {"pattern": "^[^/:][^:\\s]*$"}},
                    },
                    "region": {
                        "type": "object",
                        "required": ["startLine"],
                        "additionalProperties": False,
                        "properties": {
                            "startLine": {"type": "integer", "minimum": 1},
                            "startColumn": {"type": "integer", "minimum": 1},
                            "endLine": {"type": "integer", "minimum": 1},
                        },
                    },
                },
            }
        },
    },
}
WHAT_GITHUB_READS = {
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "maxItems": MOST_RUNS,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "properties": {
                            "driver": {
                                "required": ["name", "rules"],
                                "properties": {
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "required": ["id", "shortDescription", "properties"],
                                        },
                                    }
                                },
                            }
                        }
                    },
                    "results": {
                        "type": "array",
                        "maxItems": MOST_RESULTS,
                        "items": {
                            "required": ["ruleId", "ruleIndex", "message", "locations", "level"],
                            "properties": {
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "locations": LOCATIONS,
                            },
                        },
                    },
                },
            },
        },
    },
}


def _check(log: dict[str, Any]) -> list[dict[str, Any]]:
    """Validate a log and return its runs, as they come back from a file."""
    read = json.loads(json.dumps(log))
    jsonschema.validate(read, WHAT_GITHUB_READS)
    for run in read["runs"]:
        rules = run["tool"]["driver"]["rules"]
        assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
    runs: list[dict[str, Any]] = read["runs"]
    return runs


def _finding(number: int = 0, **options: Any) -> Finding:
    problem = Problem(file="a.py", line=number + 1, message="m", rule="R1")
    return Finding(problem=problem, **options)


def _findings(*findings: Finding) -> Findings:
    return Findings(gate="g", duration_seconds=1, summary="s", findings=findings)


def test_real_findings_have_place_rule_and_fingerprint(fill: Fill) -> None:
    """A finding of bandit becomes a result that code scanning can show and follow."""
    shell = "import subprocess\nsubprocess.call(\n  x,\n  shell=True)\n"
    root = fill({"src/wi th#ü.py": shell, "src/b.py": "eval(x)\n" * 2})
    [run] = _check(sarif([bandit.run(BanditOptions(severity="low"), root)], version="1.2.3"))
    assert run["tool"]["driver"]["version"] == "1.2.3"
    assert run["invocations"] == [{"executionSuccessful": True}]
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert set(rules) == {"B307", "B404", "B602"}
    assert rules["B602"]["properties"]["security-severity"] == "8.0"
    assert "external/cwe/cwe-078" in rules["B602"]["properties"]["tags"]
    assert rules["B602"]["helpUri"].startswith("https://bandit.readthedocs.io/")
    shown = {r["ruleId"]: r for r in run["results"]}["B602"]
    place = shown["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "src/wi%20th%23%C3%BC.py"
    assert place["region"] == {"startLine": 4}
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"]["startColumn"] == 1
    hashes = [r["partialFingerprints"]["primaryLocationLineHash"] for r in run["results"]]
    assert len(set(hashes)) == len(hashes)


def test_no_source_text_and_no_password_goes_in(fill: Fill) -> None:
    """SARIF files are uploaded and kept: they hold places, not code."""
    root = fill({"a.py": "password = 'hunter2-very-secret'\nexec('launch' + x)\n"})
    gate = BanditOptions(severity="low", confidence="low")
    text = json.dumps(sarif([bandit.run(gate, root)]))
    assert "B105" in text
    assert "B102" in text
    assert "hunter2" not in text
    assert "launch" not in text
    assert "snippet" not in text


def test_a_pass_is_an_empty_run_so_that_alerts_close() -> None:
    """Without a run the old alerts would stay open for ever."""
    [run] = _check(sarif([Passed(gate="bandit", duration_seconds=1, summary="s")]))
    assert run["results"] == []


def test_a_gate_that_did_not_run_has_no_run() -> None:
    """An empty run of it would close alerts that nobody looked at."""
    assert _check(sarif([NotRun(gate="bandit")])) == []


def test_a_broken_gate_is_not_successful_and_says_why() -> None:
    """What was not checked is a notification, never a result."""
    problem = Problem(file="bad.py", line=3, message="does not parse", rule="not-checked")
    broken = Broken(
        gate="bandit",
        duration_seconds=1,
        why="because",
        remedy="r",
        unchecked=(problem,),
        findings=(_finding(),),
    )
    [run] = _check(sarif([broken]))
    [invocation] = run["invocations"]
    assert invocation["executionSuccessful"] is False
    texts = [n["message"]["text"] for n in invocation["toolExecutionNotifications"]]
    assert texts == ["because", "does not parse"]
    assert len(run["results"]) == 1


def test_the_most_severe_results_are_kept() -> None:
    """GitHub refuses a file with more results than its limit."""
    low = [_finding(number, level="low") for number in range(MOST_RESULTS)]
    [run] = _check(sarif([_findings(*low, _finding(level="high"))]))
    assert len(run["results"]) == MOST_RESULTS
    assert run["results"][0]["level"] == "error"


def test_the_number_of_runs_is_limited() -> None:
    """GitHub refuses a file with more runs than its limit."""
    assert len(_check(sarif([_findings(_finding())] * (MOST_RUNS + 1)))) == MOST_RUNS


def test_only_a_known_weakness_is_called_a_security_problem() -> None:
    """A wrong key in a configuration file is no vulnerability."""
    plain = Problem(file="app.yaml", line=1, message="m", rule="unknown-key")
    [run] = _check(sarif([_findings(Finding(problem=plain), _finding(cwe=78))]))
    severe = {
        r["id"]: "security-severity" in r["properties"] for r in run["tool"]["driver"]["rules"]
    }
    assert severe == {"R1": True, "unknown-key": False}


@pytest.mark.parametrize("line", [0, 1])
def test_a_problem_of_a_whole_file_points_at_its_first_line(line: int) -> None:
    """Code scanning shows nothing without a line."""
    finding = Finding(problem=Problem(file="a.py", line=line, message="m"))
    [run] = _check(sarif([_findings(finding)]))
    region = run["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 1}
    assert run["results"][0]["ruleId"] == "g"
