"""The gate for the application's own configuration files: a schema, or keys that must be there.

Each file is looked at in a process of its own that can be killed: a pattern in a schema may
need longer than the universe has. Values are never told, they may be secrets.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy_action.config.model import ConfigFileGate
from deploy_action.gates.result import CONFIG, Broken, Finding, Findings, GateResult, Passed
from deploy_action.problem import Problem, Severity
from deploy_action.process import ProcessTimeout
from deploy_action.process import run as run_process

__all__ = ["NAME", "check_files", "run"]

NAME = CONFIG

_TIMEOUT_SECONDS = 20.0
_WORKER = Path(__file__).with_name("appconfig_worker.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What is wrong with a file, and what kept it from being checked."""

    findings: tuple[Problem, ...] = ()
    unchecked: tuple[Problem, ...] = ()


def run(
    files: Sequence[ConfigFileGate], root: Path, *, timeout_seconds: float = _TIMEOUT_SECONDS
) -> GateResult:
    """Check every file; a file or a schema that cannot be read makes the gate `Broken`.

    Args:
        files: what ``gates.config`` asks for.
        root: the directory of deploy.yaml; all paths in the result are relative to it.
        timeout_seconds: time for one file, after which its check is killed.
    """
    started = time.monotonic()
    answers = [_check(file, root, timeout_seconds) for file in files]
    duration = time.monotonic() - started
    findings = tuple(
        Finding(problem=problem, title=problem.rule)
        for answer in answers
        for problem in answer.findings
    )
    unchecked = tuple(problem for answer in answers for problem in answer.unchecked)
    if unchecked:
        first = unchecked[0]
        return Broken(
            gate=NAME,
            duration_seconds=duration,
            why=f"{first.file}: {first.message}",
            remedy=first.hint or f"look at {first.file} and at gates.config in deploy.yaml",
            unchecked=unchecked,
            findings=findings,
        )
    count = "1 file" if len(files) == 1 else f"{len(files)} files"
    if findings:
        wrong = "1 problem" if len(findings) == 1 else f"{len(findings)} problems"
        return Findings(
            gate=NAME,
            duration_seconds=duration,
            summary=f"{wrong} in {count}",
            findings=findings,
        )
    return Passed(gate=NAME, duration_seconds=duration, summary=count)


def check_files(files: Sequence[ConfigFileGate], root: Path) -> tuple[Problem, ...]:
    """Return everything that is wrong with the files, and what kept them from being checked."""
    answers = [_check(file, root, _TIMEOUT_SECONDS) for file in files]
    return tuple(problem for answer in answers for problem in (*answer.unchecked, *answer.findings))


def _check(gate: ConfigFileGate, root: Path, timeout_seconds: float) -> _Answer:
    order = {
        "file": gate.file,
        "format": gate.format,
        "schema": gate.schema,
        "required": gate.required,
    }
    try:
        # -I keeps the working directory, PYTHONPATH and the user's site out of sys.path.
        completed = run_process(
            [sys.executable, "-I", "-X", "utf8", "-W", "ignore", str(_WORKER)],
            input=json.dumps(order),
            timeout_seconds=timeout_seconds,
            cwd=root,
        )
        answer = json.loads(completed.stdout) if completed.exit_code == 0 else None
    except ProcessTimeout:
        return _unchecked(
            gate,
            message=f"its check did not end within {timeout_seconds:g}s and was killed",
            hint=f"look for patterns such as (a+)+ in {gate.schema}",
        )
    except (OSError, ValueError):
        answer = None
    if answer is None:
        return _unchecked(
            gate, message="its check ended without an answer", hint="run: deploy-action doctor"
        )
    return _Answer(
        findings=tuple(map(_problem, answer["findings"])),
        unchecked=tuple(map(_problem, answer["unchecked"])),
    )


def _unchecked(gate: ConfigFileGate, *, message: str, hint: str) -> _Answer:
    return _Answer(
        unchecked=(Problem(file=gate.file, message=message, hint=hint, rule="gate-broken"),)
    )


def _problem(fields: dict[str, Any]) -> Problem:
    return Problem(**{**fields, "severity": Severity(fields["severity"])})
