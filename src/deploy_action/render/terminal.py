"""A report as lines for a terminal of some width, with colours or without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from deploy_action.render import view
from deploy_action.render.problems import show_problems
from deploy_action.render.report_view import report_view
from deploy_action.render.text import Style, columns, indent, printable, short, wrap
from deploy_action.render.timeline import timeline
from deploy_action.render.view import Tone
from deploy_action.results.reports import Page

if TYPE_CHECKING:
    from deploy_action.results.reports import Report

__all__ = ["RenderContext", "show_report"]

_MARKS = {Tone.GOOD: "✓", Tone.BAD: "✗", Tone.WARNING: "!", Tone.PLAIN: "-"}

_NARROWEST_CELL = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderContext:
    """What a report is written on.

    `sources` holds the lines of files that may be shown beside a problem.
    """

    width: int = 80
    style: Style = field(default_factory=Style)
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)


def show_report(report: Report, context: RenderContext) -> list[str]:
    """Return a report as lines, a blank line between two blocks."""
    if isinstance(report, Page) and not report.path:
        return report.text.splitlines()
    shown, style = report_view(report), context.style
    mark = f"{_mark(shown.tone, style)} " if shown.tone is not Tone.PLAIN else ""
    took = style.quiet(f" ({shown.took})") if shown.took else ""
    first, *more = wrap(shown.title, context.width - 2) or [""]
    title = [mark + style.strong(first), *(f"  {style.strong(line)}" for line in more)]
    title[-1] += took
    parts = [_block(block, context) for block in shown.findings]
    parts.append(title)
    for block in (*shown.reasons, *shown.details):
        lines = indent(_block(block, context, by=2))
        if isinstance(block, view.Facts) and parts[-1] is title:
            # The facts belong to the title.
            parts[-1] = [*title, *lines]
        else:
            parts.append(lines)
    return [line for i, part in enumerate(parts) for line in ([""] if i else []) + part]


def _mark(tone: Tone, style: Style) -> str:
    return _paint(tone, _MARKS[tone], style)


def _paint(tone: Tone, text: str, style: Style) -> str:
    match tone:
        case Tone.GOOD:
            return style.good(text)
        case Tone.BAD:
            return style.bad(text)
        case Tone.WARNING:
            return style.warning(text)
        case Tone.PLAIN:
            return text


def _block(block: view.Block, context: RenderContext, *, by: int = 0) -> list[str]:
    style, width = context.style, context.width - by
    match block:
        case view.Facts():
            longest = max(len(label) for label, _ in block.rows)
            return [
                line
                for label, cell in block.rows
                for line in _fact(label.ljust(longest), _cell(cell), style, width)
            ]
        case view.Table():
            return _table(block, style, width)
        case view.Failure():
            what = wrap(block.what, width) if block.what else []
            return what + _details(view.labelled(cause=block.cause, remedy=block.remedy), width)
        case view.Problems():
            return show_problems(block.problems, context.sources, style, width)
        case view.Steps():
            return list(map(printable, block.lines))
        case view.Notes():
            return [x for note in block.notes for x in wrap(note, width, first="note: ")]
        case view.Quote():
            bar = style.quiet("│ ")
            title = style.strong(printable(block.title))
            return [title, *(f"{bar}{printable(line)}" for line in block.lines)]
        case view.Timeline():
            return [style.quiet(line) for line in timeline(block.phases, width=width)]
        case _:
            assert_never(block)


def _fact(label: str, text: str, style: Style, width: int) -> list[str]:
    """Return a label and its text; what is one word, such as an address, is never broken."""
    room = max(width - len(label) - 2, 1)
    first, *more = wrap(text, room) or [""]
    return [f"{style.quiet(label)}  {first}", *(" " * (len(label) + 2) + line for line in more)]


def _cell(cell: view.Cell) -> str:
    return printable(short(cell.text) if cell.form is view.Form.COMMIT else cell.text)


def _table(table: view.Table, style: Style, width: int) -> list[str]:
    rows, lines = table.rows, list[str]()
    if table.folded:
        if any(row.tone is Tone.GOOD for row in rows):
            lines.append(f"{_mark(Tone.GOOD, style)} {printable(table.title)}")
        rows = tuple(row for row in rows if row.tone is not Tone.GOOD)
    used = [i for i in range(len(table.head)) if any(row.cells[i] for row in rows)]
    head = [] if table.marked else [tuple(table.head[i].upper() for i in used)]
    cells = [tuple(row.cells[i] for i in used) for row in rows]
    aligned = columns([*head, *cells])
    if head and max(map(len, aligned), default=0) > width:
        return [*lines, *_stacked(table, rows, style, width)]
    lines += [style.strong(line) for line in aligned[: len(head)]]
    for row, line in zip(rows, aligned[len(head) :], strict=True):
        if table.marked:
            first, *more = _wrap_last(line, printable(row.cells[used[-1]]), width - 2)
            lines += [f"{_mark(row.tone, style)} {first}", *indent(more)]
        else:
            lines.append(_paint(row.tone, line, style))
        lines += indent(_details(row.details, width - 4), "    ")
        lines += indent(show_problems(row.problems, {}, style, width - 4), "    ")
    return lines


def _wrap_last(line: str, last: str, width: int) -> list[str]:
    """Wrap the last cell of a row below itself, where the row is too wide for the terminal."""
    before = line.removesuffix(last)
    room = width - len(before)
    if len(line) <= width or before == line or room < _NARROWEST_CELL:
        return [line]
    first, *more = wrap(last, room)
    return [before + first, *(" " * len(before) + text for text in more)]


def _stacked(
    table: view.Table, rows: Sequence[view.Row], style: Style, width: int
) -> Iterator[str]:
    """Yield a table that is too wide for the terminal row by row, each cell after its label."""
    for row in rows:
        first, *rest = row.cells
        named = [
            f"{label} {printable(cell)}"
            for label, cell in zip(table.head[1:], rest, strict=True)
            if cell
        ]
        yield _paint(row.tone, printable(first), style)
        yield from indent(wrap(", ".join(named), width - 4), "    ")
        yield from indent(_details(row.details, width - 4), "    ")
        yield from indent(show_problems(row.problems, {}, style, width - 4), "    ")


def _details(details: Sequence[tuple[str, str]], width: int) -> list[str]:
    longest = max((len(label) for label, _ in details), default=0)
    lines: list[str] = []
    for label, text in details:
        lines += wrap(text, width, first=f"{label.ljust(longest)}  " if label else "")
    return lines
