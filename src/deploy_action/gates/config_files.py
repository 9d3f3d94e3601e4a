"""The gate for the application's own configuration files: a schema, or keys that must be there.

Each file is checked in a process of its own that can be killed (`config/file_check.py`), since a
pattern in a schema may run for ever. Messages contain no values, which may be secrets.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deploy_action.gates.gate import Gate, OptionProblem, count
from deploy_action.gates.result import Broken, Finding, Findings, GateResult, Passed
from deploy_action.problem import Problem, Severity
from deploy_action.process import ProcessTimeout
from deploy_action.process import run as run_process

__all__ = ["GATE", "ConfigFile", "ConfigFilesOptions", "run"]

TIMEOUT_SECONDS = 20.0
"""Time for one file."""
_TOTAL_SECONDS = 120.0
"""Time for all of them."""
PROGRAM = Path(__file__).parents[1] / "config" / "file_check.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """One of the application's own configuration files and what it must satisfy."""

    file: str
    format: Literal["yaml", "json", "toml"] | None = None
    schema: str | None = None
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFilesOptions:
    """What ``gates.config`` asks for."""

    files: tuple[ConfigFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _FileReport:
    findings: tuple[Problem, ...] = ()
    unchecked: tuple[Problem, ...] = ()


def read(value: Sequence[Mapping[str, Any]]) -> ConfigFilesOptions | None:
    """Return the files of a list; None where it is empty."""
    files = tuple(
        ConfigFile(**{**item, "required": tuple(item.get("required", ()))}) for item in value
    )
    return ConfigFilesOptions(files=files) if files else None


def lint(options: ConfigFilesOptions) -> Iterator[OptionProblem]:
    """Yield files that nothing is asked of, and files of an unknown format."""
    for index, file in enumerate(options.files):
        if file.schema is None and not file.required:
            yield OptionProblem(
                path=(index,),
                message=f"nothing is asked of {file.file}, so this gate could never refuse",
                hint="add schema: FILE or required: [KEY]",
                rule="gate-checks-nothing",
            )
        known = file.file.lower().endswith((".yaml", ".yml", ".json", ".toml"))
        if file.format is None and not known:
            yield OptionProblem(
                path=(index,),
                message=f"the name {file.file} does not say its format",
                hint="add format: yaml, json or toml",
                rule="format-unknown",
            )


def describe(options: ConfigFilesOptions) -> Sequence[str]:
    """Say what each file must satisfy."""
    return [
        f"{file.file}: "
        + "; ".join(
            [f"satisfies {file.schema}"] * bool(file.schema)
            + [f"has {', '.join(file.required)}"] * bool(file.required)
        )
        for file in options.files
    ]


def run(options: ConfigFilesOptions, root: Path) -> GateResult:
    """Check every file; a file or a schema that cannot be read makes the gate `Broken`."""
    started = time.monotonic()
    reports = [_check(file, root, started + _TOTAL_SECONDS) for file in options.files]
    duration = time.monotonic() - started
    findings = tuple(
        Finding(problem=problem, title=problem.rule)
        for report in reports
        for problem in report.findings
    )
    unchecked = tuple(problem for report in reports for problem in report.unchecked)
    if unchecked:
        first = unchecked[0]
        return Broken(
            gate=GATE.name,
            duration_seconds=duration,
            why=f"{first.file}: {first.message}",
            remedy=first.hint or f"look at {first.file} and at gates.config in deploy.yaml",
            unchecked=unchecked,
            findings=findings,
        )
    files = count(len(options.files), "file")
    if findings:
        return Findings(
            gate=GATE.name,
            duration_seconds=duration,
            summary=f"{count(len(findings), 'problem')} in {files}",
            findings=findings,
        )
    return Passed(gate=GATE.name, duration_seconds=duration, summary=files)


def _check(file: ConfigFile, root: Path, deadline: float) -> _FileReport:
    left = deadline - time.monotonic()
    if left <= 0:
        return _unchecked(
            file,
            message=f"the checks before it took {_TOTAL_SECONDS:g} s",
            hint="look for the file that is slow to check",
        )
    request = {
        "file": file.file,
        "format": file.format,
        "schema": file.schema,
        "required": file.required,
    }
    try:
        # -I keeps the working directory, PYTHONPATH and the user's site out of sys.path.
        completed = run_process(
            [sys.executable, "-I", "-X", "utf8", "-W", "ignore", str(PROGRAM)],
            input=json.dumps(request),
            timeout_seconds=min(TIMEOUT_SECONDS, left),
            cwd=root,
        )
        report = json.loads(completed.stdout) if completed.exit_code == 0 else None
    except ProcessTimeout:
        return _unchecked(
            file,
            message=f"its check timed out after {TIMEOUT_SECONDS:g} s",
            hint=f"look for patterns such as (a+)+ in {file.schema}",
        )
    except (OSError, ValueError):
        report = None
    if report is None:
        return _unchecked(file, message="its check crashed", hint="run: deploy-action doctor")
    return _FileReport(
        findings=tuple(map(_problem, report["findings"])),
        unchecked=tuple(map(_problem, report["unchecked"])),
    )


def _unchecked(file: ConfigFile, *, message: str, hint: str) -> _FileReport:
    problem = Problem(file=file.file, message=message, hint=hint, rule="gate-broken")
    return _FileReport(unchecked=(problem,))


def _problem(fields: dict[str, Any]) -> Problem:
    return Problem(**{**fields, "severity": Severity(fields["severity"])})


GATE = Gate(
    key="config",
    options=ConfigFilesOptions,
    read=read,
    run=run,
    describe=describe,
    lint=lint,
)
