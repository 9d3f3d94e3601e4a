"""Reports as plain data for programs: what `--json` prints and schemas/output.schema.json says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from deploy_action.errors import DeployActionError
from deploy_action.results.notes import Note, NoteCode
from deploy_action.results.outcome import Outcome
from deploy_action.results.reports import Page, Report

__all__ = ["serialize"]


def serialize(report: Report, *, command: str) -> dict[str, Any]:
    """Return a report as data that JSON can hold.

    The keys `command`, `result` and `exit_code` are always there; the rest are the report's
    own fields. An error is an object with `code`, `what`, `cause` and `remedy`.
    """
    data = {
        "command": command,
        "result": str(report.result),
        "exit_code": int(report.exit_code),
    }
    data |= {field.name: _value(getattr(report, field.name)) for field in fields(report)}
    data["result"] = str(report.result)
    if not isinstance(report, Page):
        data["notes"] = [_note(note) for note in report.notes]
    if isinstance(report, Outcome):
        data["serving"] = report.serving
    return data


def _note(note: Note | str) -> dict[str, str]:
    code = note.code if isinstance(note, Note) else NoteCode.OTHER
    return {"code": str(code), "text": str(note)}


def _value(value: object) -> Any:
    if isinstance(value, DeployActionError):
        return {
            "code": str(value.code),
            "what": value.what,
            "cause": value.cause,
            "remedy": value.remedy,
        }
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return _tagged(value)
    if isinstance(value, Mapping):
        return {str(key): _value(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_value(item) for item in value]
    return str(value) if isinstance(value, Path) else value


# Gate results are told apart by their type in Python and by this word in JSON.
_GATE_WORDS = {
    "Passed": "passed",
    "Findings": "findings",
    "Broken": "broken",
    "NotRun": "not-run",
}


def _tagged(value: Any) -> dict[str, Any]:
    data = {field.name: _value(getattr(value, field.name)) for field in fields(value)}
    if "gate" in data:
        data["state"] = _GATE_WORDS[type(value).__name__]
    return data
