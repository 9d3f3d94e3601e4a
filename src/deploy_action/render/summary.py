"""A report as GitHub-flavoured Markdown: the page that a person sees first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from deploy_action.problem import Problem, Severity
from deploy_action.render import view
from deploy_action.render.markdown import (
    alert,
    code,
    details,
    escape_markdown,
    fenced,
    link,
    prose,
    table,
)
from deploy_action.render.report_view import report_view
from deploy_action.render.text import short
from deploy_action.render.timeline import timeline
from deploy_action.render.view import Form, Tone
from deploy_action.results.reports import Page

if TYPE_CHECKING:
    from deploy_action.results.reports import Report

__all__ = ["summary"]

_SIGNS = {Tone.GOOD: "✅", Tone.BAD: "❌", Tone.WARNING: "⚠️", Tone.PLAIN: ""}
_SEVERITIES = {Severity.ERROR: "❌", Severity.WARNING: "⚠️", Severity.NOTICE: "💡"}
_ROWS = 50


def summary(
    report: Report,
    *,
    repository: str = "",
    commit: str = "",
    button: str = "",
    release_notes: str = "",
) -> str:
    """Write the page: the verdict, why, what serves now, what was checked, and what to do next.

    Args:
        repository: address of the repository's page, to link commits and lines; may be empty.
        commit: the commit that is checked out.
        button: address of the repository's workflow for rollbacks; may be empty.
        release_notes: what is new in the release, as Markdown; may be empty.
    """
    if isinstance(report, Page) and not report.path:
        return f"{report.text.rstrip()}\n\n"
    shown, page = report_view(report), _Page(repository, commit, button)
    took = f" ({shown.took})" if shown.took else ""
    sign = shown.sign or _SIGNS[shown.tone]
    title = f"## {sign}{' ' if sign else ''}{escape_markdown(f'{shown.title}{took}')}"
    first = [page.block(block) for block in (*shown.reasons, *shown.findings)]
    last = [page.block(block) for block in shown.details]
    return "\n\n".join(part for part in (title, *first, release_notes, *last) if part) + "\n\n"


@dataclass(frozen=True, slots=True)
class _Page:
    """Renders blocks, with links to a repository where it is known."""

    repository: str
    commit: str
    button: str

    def block(self, block: view.Block) -> str:
        match block:
            case view.Facts():
                rows = [(label.capitalize(), self._cell(cell)) for label, cell in block.rows]
                return table((" ", " "), rows)
            case view.Table():
                return self._table(block)
            case view.Failure():
                return _failure(block)
            case view.Problems():
                return f"### Problems\n\n{self._problems(block.problems)}"
            case view.Steps():
                return "\n".join(
                    f"{i}. {escape_markdown(line)}" for i, line in enumerate(block.lines, 1)
                )
            case view.Notes():
                return alert("NOTE", map(escape_markdown, block.notes))
            case view.Quote():
                return details(escape_markdown(block.title), fenced(block.lines), open_=True)
            case view.Timeline():
                bars = fenced(timeline(block.phases, width=90))
                return details("Where the time went", bars, open_=False)
            case _:
                assert_never(block)

    def _cell(self, cell: view.Cell) -> str:
        match cell.form:
            case Form.TEXT:
                return escape_markdown(cell.text)
            case Form.CODE:
                return code(cell.text)
            case Form.URL:
                return link(escape_markdown(cell.text), cell.text)
            case Form.BUTTON:
                return link(escape_markdown(cell.text), self.button)
            case Form.COMMIT:
                url = f"{self.repository}/commit/{cell.text}" if self.repository else ""
                return link(code(short(cell.text)), url)

    def _table(self, block: view.Table) -> str:
        head = [label.capitalize() for label in block.head]
        rows = [[escape_markdown(cell) for cell in row.cells] for row in block.rows[:_ROWS]]
        if any(row.details for row in block.rows):
            head.append("Details")
            for cells, row in zip(rows, block.rows, strict=False):
                said = (_labelled(label, what) for label, what in row.details)
                cells.append(" – ".join(said))
        if block.marked:
            head.insert(0, " ")
            for cells, row in zip(rows, block.rows, strict=False):
                cells.insert(0, _SIGNS[row.tone])
        content = table(head, rows) + _more(len(block.rows))
        problems = [problem for row in block.rows for problem in row.problems]
        content += f"\n\n{self._problems(problems)}" if problems else ""
        if block.folded:
            failed = any(row.tone is Tone.BAD for row in block.rows)
            return details(escape_markdown(block.title), content, open_=failed)
        return f"### {escape_markdown(block.title)}\n\n{content}" if block.title else content

    def _problems(self, problems: Sequence[Problem]) -> str:
        rows = [
            (
                _SEVERITIES[problem.severity],
                link(code(problem.place), self._line(problem)),
                code(problem.rule),
                escape_markdown(problem.sentence),
            )
            for problem in problems[:_ROWS]
        ]
        return table((" ", "Where", "Rule", "What"), rows) + _more(len(problems))

    def _line(self, problem: Problem) -> str:
        if not self.repository or not self.commit:
            return ""
        line = f"#L{problem.line}" if problem.line else ""
        return f"{self.repository}/blob/{self.commit}/{problem.file}{line}"


def _labelled(label: str, what: str) -> str:
    shown = prose(what) if label == "remedy" else escape_markdown(what)
    return f"{label}: {shown}" if label else shown


def _more(count: int) -> str:
    return f"\n\n… and {count - _ROWS} more." if count > _ROWS else ""


def _failure(failure: view.Failure) -> str:
    said = [f"**{escape_markdown(failure.what)}**"] if failure.what else []
    said += [f"Cause: {escape_markdown(failure.cause)}"] if failure.cause else []
    said += [f"Next: {prose(failure.remedy)}"] if failure.remedy else []
    return alert("CAUTION" if failure.severe else "WARNING", said)
