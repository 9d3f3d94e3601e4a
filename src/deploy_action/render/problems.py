"""Problems as a compiler shows them: place, message, the line of the file, a caret, a hint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deploy_action.problem import Problem, Severity
from deploy_action.render.masking import masked
from deploy_action.render.text import Style, printable, wrap

__all__ = ["counted", "show_problems"]

_CLIP = 100
_LONGEST_LINE = 2000


def show_problems(
    problems: Sequence[Problem], sources: Mapping[str, Sequence[str]], style: Style, width: int
) -> list[str]:
    """Return the problems as lines, in the order given, a blank line between two.

    Args:
        sources: file → its lines, for the files whose text may be shown; other files are
            named only (a scanner's finding may stand on a line with a password).
    """
    lines: list[str] = []
    for problem in problems:
        lines += [*([""] if lines else []), *_show(problem, sources, style, width)]
    return lines


def counted(problems: Sequence[Problem]) -> str:
    """Return ``2 errors, 1 warning``; empty for no problems."""
    words = []
    for severity in Severity:
        number = sum(problem.severity is severity for problem in problems)
        if number:
            words.append(f"{number} {severity}{'' if number == 1 else 's'}")
    return ", ".join(words)


def _show(
    problem: Problem, sources: Mapping[str, Sequence[str]], style: Style, width: int
) -> list[str]:
    paint = style.bad if problem.severity is Severity.ERROR else style.warning
    rule = style.quiet(f" [{printable(problem.rule)}]") if problem.rule else ""
    lines = [f"{style.strong(printable(problem.place))}: {paint(str(problem.severity))}{rule}"]
    where = f"{problem.where}: " if problem.where else ""
    lines += wrap(where + problem.message, width, first="  ")
    lines += _excerpt(problem, sources.get(problem.file, ()), style)
    if problem.hint:
        lines += wrap(problem.hint, width, first="  help: ")
    return lines


def _excerpt(problem: Problem, source: Sequence[str], style: Style) -> list[str]:
    if not 0 < problem.line <= len(source):
        return []
    raw = source[problem.line - 1].rstrip("\r\n")
    if len(raw) > _LONGEST_LINE:
        return []
    number = str(problem.line)
    text, column = _clip(*masked(raw, problem.where, max(problem.column, 1)))
    lines = [style.quiet(f"  {number} │ ") + text]
    if problem.column:
        caret = " " * (column - 1) + style.bad("^")
        lines.append(style.quiet(f"  {' ' * len(number)} │ ") + caret)
    return lines


def _clip(line: str, column: int) -> tuple[str, int]:
    """Return the part of a long line around the column, neutralised, and the column in it."""
    start = max(0, column - _CLIP // 2) if len(line) > _CLIP else 0
    before = printable(line[start : column - 1]).replace("\t", " ")
    after = printable(line[column - 1 : start + _CLIP]).replace("\t", " ")
    lead = "…" if start else ""
    trail = "…" if start + _CLIP < len(line) else ""
    return lead + before + after + trail, len(lead + before) + 1
