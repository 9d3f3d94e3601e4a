"""JSON for programs: every report fits the published schema."""

from __future__ import annotations

import dataclasses
import json
from enum import StrEnum
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing
from tests.unit.render.samples import DEPLOYED, failed
from tests.unit.render.test_answers import BAD_CHECK, REPLICA

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.gates.result import Broken, Finding, Findings, NotRun, Passed
from deploy_action.problem import Problem
from deploy_action.render.as_json import serialize
from deploy_action.results.notes import NoteCode
from deploy_action.results.outcome import Excerpt, Outcome, Result
from deploy_action.results.reports import (
    Built,
    Check,
    CheckState,
    Difference,
    DifferenceKind,
    DoctorReport,
    Drift,
    History,
    HostStatus,
    Logs,
    Maintained,
    Monitoring,
    Page,
    Process,
    Processes,
    Report,
    Session,
    Status,
    TaskRun,
    Written,
    WrittenPath,
)

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "schemas" / "output.schema.json").read_text(encoding="utf-8")
)
PROBLEM = Problem(file="deploy.yaml", line=1, column=2, message="m")

REPORTS: list[tuple[str, Report]] = [
    ("validate", Outcome(result=Result.INVALID, problems=(PROBLEM,))),
    (
        "check",
        Outcome(
            result=Result.REFUSED,
            gates=(
                Passed(gate="a", duration_seconds=1, summary="s", notes=("n",)),
                Findings(
                    gate="b", duration_seconds=1, summary="s", findings=(Finding(problem=PROBLEM),)
                ),
                Broken(gate="c", duration_seconds=1, why="w", remedy="r"),
                NotRun(gate="d"),
            ),
        ),
    ),
    ("plan", Outcome(result=Result.PLANNED, plan=("pull", "start"))),
    ("deploy", Outcome(result=Result.DEPLOYED, deployment=DEPLOYED, url="https://x")),
    (
        "deploy",
        Outcome(
            result=Result.FAILED,
            deployment=failed(),
            error=DeploymentFailed("what", cause="c", remedy="r"),
            checks=(BAD_CHECK,),
            excerpts=(Excerpt(title="log", lines=("one",)),),
            restorable=("1.4.1",),
        ),
    ),
    ("history", History(environment="p", deployments=(DEPLOYED,))),
    (
        "status",
        Status(
            environment="p",
            current=DEPLOYED,
            hosts=(HostStatus(host="a", version="1", replicas=(REPLICA,)),),
        ),
    ),
    (
        "drift",
        Drift(
            environment="p",
            differences=(
                Difference(
                    kind=DifferenceKind.REPLICA_CHANGED,
                    host="a",
                    subject="s",
                    recorded="r",
                    found="f",
                ),
            ),
        ),
    ),
    ("monitor", Monitoring(environment="p", checks=(BAD_CHECK,))),
    ("maintenance", Maintained(service="s", environment="p", on=True, changed=True)),
    (
        "run",
        TaskRun(
            service="s",
            environment="p",
            version="1",
            host="a",
            argv=("true",),
            code=0,
            duration_seconds=0.5,
            output=("done",),
        ),
    ),
    ("logs", Logs(service="s", environment="p", replicas=("s_p_1_1",))),
    (
        "exec",
        Session(
            service="s",
            environment="p",
            version="1",
            replica="s_p_1_1",
            host="a",
            argv=("false",),
            code=127,
        ),
    ),
    (
        "ps",
        Processes(
            environment="p",
            processes=(
                Process(
                    host="a",
                    service="s",
                    environment="p",
                    name="s_p_1_1",
                    version="1",
                    role="web",
                    state="running",
                    health="",
                    restarts=0,
                    up_since="2026-01-01T12:00:00Z",
                ),
            ),
        ),
    ),
    ("build", Built(service="s", image="i", version="1", digest="sha256:1", duration_seconds=0.5)),
    ("doctor", DoctorReport(checks=(Check(subject="git", state=CheckState.OK),))),
    ("docs", Page(text="# x")),
    ("init", Written(files=(WrittenPath(path="deploy.yaml", guesses=("g",)),))),
]


def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(SCHEMA, registry=referencing.Registry())


def test_the_schema_is_a_schema() -> None:
    """The published contract is itself valid JSON Schema 2020-12."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(("command", "report"), REPORTS)
def test_every_report_fits_the_schema(command: str, report: Report) -> None:
    """What --json prints is what schemas/output.schema.json promises, after a real round trip."""
    document = json.loads(json.dumps(serialize(report, command=command)))
    assert not [error.message for error in validator().iter_errors(document)]
    assert document["command"] == command
    assert document["exit_code"] == int(report.exit_code)


def objects(schema: Any, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema:
            found.append(schema)
        for value in schema.values():
            objects(value, found)
    elif isinstance(schema, list):
        for value in schema:
            objects(value, found)
    return found


def test_the_schema_promises_every_field_and_no_other() -> None:
    """A field that is added to a report has to be added to the contract: keys are closed."""
    for command, report in REPORTS:
        document = serialize(report, command=command) | {"surprise": 1}
        assert list(validator().iter_errors(document)), command
    for entry in objects(SCHEMA["$defs"], []):
        assert entry.get("unevaluatedProperties", entry.get("additionalProperties")) is False


def test_gates_are_told_apart_by_a_word() -> None:
    """Programs need not guess from the fields that are there."""
    gates = serialize(REPORTS[1][1], command="check")["gates"]
    assert [gate["state"] for gate in gates] == ["passed", "findings", "broken", "not-run"]


def test_a_change_of_a_report_is_a_new_value() -> None:
    """Reports are frozen: what was printed cannot be changed behind its back."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        REPORTS[0][1].notes = ()  # type: ignore[misc,union-attr]


@pytest.mark.parametrize(
    ("definition", "codes"),
    [("error", ErrorCode), ("note", NoteCode)],
    ids=["errors", "notes"],
)
def test_the_schema_knows_every_code(definition: str, codes: type[StrEnum]) -> None:
    """A code that the schema lacks would make a report break its own contract."""
    known = SCHEMA["$defs"][definition]["properties"]["code"]["enum"]
    assert sorted(known) == sorted(code.value for code in codes)
