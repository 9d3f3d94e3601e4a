"""Tables of the summary page: problems, gates and checks; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, assert_never

from deploy_action.gates.result import Broken, Findings, GateResult, NotRun, Passed, refuses
from deploy_action.problem import Problem, Severity
from deploy_action.render.markdown import code, details, link, table, text
from deploy_action.render.text import duration

if TYPE_CHECKING:
    from deploy_action.checks.result import CheckResult

__all__ = ["checks_table", "gates_table", "problems_table"]

_MARKS = {Severity.ERROR: "❌", Severity.WARNING: "⚠️", Severity.NOTICE: "💡"}
_ROWS = 50


def problems_table(problems: Sequence[Problem], blob: str) -> str:
    """Return the problems of deploy.yaml; `blob` is where its lines can be looked at."""
    return f"### Problems\n\n{_listed(problems, blob)}" if problems else ""


def _listed(problems: Sequence[Problem], blob: str) -> str:
    rows = [
        (_MARKS[p.severity], _place(p, blob), code(p.rule), _message(p)) for p in problems[:_ROWS]
    ]
    more = len(problems) - _ROWS
    end = f"\n\n… and {more} more." if more > 0 else ""
    return table((" ", "Where", "Rule", "What"), rows) + end


def _place(problem: Problem, blob: str) -> str:
    place = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part)
    line = f"#L{problem.line}" if problem.line else ""
    return link(code(place), f"{blob}/{problem.file}{line}" if blob else "")


def _message(problem: Problem) -> str:
    where = f"{problem.where}: " if problem.where else ""
    hint = f" ({problem.hint})" if problem.hint else ""
    return text(f"{where}{problem.message}{hint}")


def gates_table(results: Sequence[GateResult], blob: str) -> str:
    """Return a row for each configured gate, and what refuses the deployment below."""
    shown = [it for it in results if not isinstance(it, NotRun) or it.configured]
    if not shown:
        return ""
    rows = [
        (
            "✅" if isinstance(result, Passed) else "❌" if refuses(result) else "⚠️",
            text(result.gate),
            " – ".join(_said(result)),
            _took(result.duration_seconds),
        )
        for result in shown
    ]
    found = [p for it in shown if isinstance(it, Findings | Broken) for p in it.problems]
    findings = f"\n\n{_listed(found, blob)}" if found else ""
    return "### Gates\n\n" + table((" ", "Gate", "Verdict", "Took"), rows) + findings


def _said(result: GateResult) -> Iterator[str]:
    match result:
        case Passed() | Findings():
            yield text(result.summary)
        case Broken():
            yield text(result.why)
            yield from [text(result.remedy)] if result.remedy else []
        case NotRun():
            yield f"not checked: {text(result.why)}"
            yield from [text(result.remedy)] if result.remedy else []
            return
        case _:
            assert_never(result)
    yield from map(text, result.notes)


def checks_table(checks: Sequence[CheckResult]) -> str:
    """Return all checks, unfolded where one failed; those stand first."""
    if not checks:
        return ""
    passed = sum(check.passed for check in checks)
    ordered = sorted(checks, key=lambda check: check.passed)
    rows = [
        (
            "✅" if check.passed else "❌",
            text(check.name),
            text(check.where),
            _took(check.seconds),
            text(check.detail) or "passed",
        )
        for check in ordered[:_ROWS]
    ]
    head = (" ", "Check", "Where", "Took", "Result")
    title = f"{passed} of {len(checks)} checks passed"
    return details(title, table(head, rows), open_=passed < len(checks))


def _took(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else duration(seconds)
