"""Gates and checks as lines: one line for what passed, all that matters for what did not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, assert_never

from deploy_action.gates.result import Broken, Findings, GateResult, NotRun, Passed
from deploy_action.render.problems import show_problems
from deploy_action.render.text import Style, duration, printable, wrap

if TYPE_CHECKING:
    from deploy_action.checks.result import CheckResult

__all__ = ["gates_verdict", "show_checks", "show_gates"]


def gates_verdict(results: Sequence[GateResult]) -> str:
    """Say in a few words what gates came to of which none refuses."""
    configured = [it for it in results if not isinstance(it, NotRun) or it.configured]
    if not configured:
        return "the configuration is valid; no gate is configured"
    if unchecked := [it.gate for it in configured if isinstance(it, NotRun)]:
        return f"no gate refused; not checked: {', '.join(unchecked)}"
    return "every gate passed"


def show_gates(results: Sequence[GateResult], *, palette: Style, width: int) -> list[str]:
    """Return a line for each gate, and below it the findings that refuse the deployment."""
    lines: list[str] = []
    for result in results:
        lines += _gate(result, palette, width)
    return lines


def _gate(result: GateResult, palette: Style, width: int) -> list[str]:
    took = palette.quiet(f" ({duration(result.duration_seconds)})")
    name = printable(result.gate)
    match result:
        case Passed():
            lines = [f"{palette.good('✓')} {name}: {printable(result.summary)}{took}"]
            return [*lines, *_notes(result.notes, width)]
        case NotRun():
            if not result.configured:
                return [palette.quiet(f"- {name}: not configured")]
            mark = palette.bad("✗") if result.refuses else palette.warning("!")
            lines = [f"{mark} {name}: not checked{took}", *wrap(result.why, width, first="    ")]
            return [*lines, *wrap(result.remedy, width, first="    remedy  ")]
        case Findings():
            lines = [f"{palette.bad('✗')} {name}: {printable(result.summary)}{took}"]
            lines += _notes(result.notes, width)
        case Broken():
            lines = [f"{palette.bad('✗')} {name}: did not do its job{took}"]
            lines += wrap(result.why, width, first="    ")
            lines += wrap(result.remedy, width, first="    remedy  ") if result.remedy else []
            lines += _notes(result.notes, width)
        case _:
            assert_never(result)
    problems = show_problems(result.problems, sources={}, palette=palette, width=width - 4)
    return [*lines, *(f"    {line}" if line else "" for line in problems)]


def _notes(notes: Sequence[str], width: int) -> list[str]:
    return [line for note in notes for line in wrap(note, width, first="    note: ")]


def show_checks(results: Sequence[CheckResult], *, palette: Style, width: int) -> list[str]:
    """Return every check that failed with what was expected and found, and a count of the rest."""
    passed = sum(result.passed for result in results)
    lines: list[str] = []
    if passed:
        mark = palette.good("✓")
        lines.append(f"{mark} {passed} of {len(results)} checks passed")
    for result in results:
        if not result.passed:
            tries = "1 try" if result.attempts == 1 else f"{result.attempts} tries"
            took = palette.quiet(f" ({tries}, {duration(result.seconds)})")
            where = f" at {printable(result.where)}" if result.where else ""
            lines.append(f"{palette.bad('✗')} {printable(result.name)}{where}{took}")
            lines += wrap(result.detail, width, first="    ")
    return lines
