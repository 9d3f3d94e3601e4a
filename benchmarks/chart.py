"""Small pictures as SVG, drawn from numbers and nothing else: the same numbers, the same bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import median

__all__ = ["Bar", "Panel", "bars", "panels"]

_FONT = "ui-sans-serif,system-ui,-apple-system,Segoe UI,DejaVu Sans,Arial,sans-serif"
_INK, _PALE, _GRID = "#24292f", "#57606a", "#d8dee4"
_COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df")
_WIDTH = 860


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row: its name, the samples, a limit if it has one, and words behind it."""

    name: str
    values: Sequence[float]
    limit: float | None = None
    note: str = ""
    ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One diagram of several lines: command → how many → samples."""

    title: str
    series: Mapping[str, Mapping[int, Sequence[float]]]


def bars(title: str, rows: Sequence[Bar], *, shape: str) -> str:
    """Draw horizontal bars of the medians, with a whisker from the least to the most.

    Args:
        shape: how a value is written, as `str.format` takes it.
    """
    left, right, top, step = 310, 190, 52, 34
    room = _WIDTH - left - right
    most = max(max(row.values) for row in rows)
    scale = room / _nice(max(most, *(row.limit or 0 for row in rows)))
    lines = [_text(20, 30, title, size=15, weight="bold")]
    for number, row in enumerate(rows):
        y = top + number * step
        middle, low, high = median(row.values), min(row.values), max(row.values)
        colour = _COLOURS[0] if row.ours else "#8c959f"
        lines.append(_text(left - 10, y + 16, row.name, anchor="end"))
        lines.append(_rect(left, y + 3, max(middle * scale, 1), 18, colour))
        lines.append(_line(left + low * scale, y + 12, left + high * scale, y + 12, _INK))
        if row.limit is not None:
            x = left + row.limit * scale
            lines.append(_line(x, y - 2, x, y + 26, "#cf222e", width=2))
        end = left + max(high, row.limit or 0) * scale + 10
        said = shape.format(middle) + row.note
        lines.append(_text(end, y + 16, said, colour=_PALE))
    return _svg(title, top + len(rows) * step + 14, lines)


def panels(title: str, drawn: Sequence[Panel]) -> str:
    """Draw diagrams two in a row, both axes linear, so that what is linear is a straight line."""
    lines = [_text(20, 30, title, size=15, weight="bold")]
    width, height = 330, 170
    for number, panel in enumerate(drawn):
        x, y = 70 + (number % 2) * 420, 80 + (number // 2) * 260
        lines += _panel(panel, x, y, width, height)
    return _svg(title, 60 + math.ceil(len(drawn) / 2) * 260, lines)


def _panel(panel: Panel, x: float, y: float, width: float, height: float) -> Iterator[str]:
    counts = [n for found in panel.series.values() for n in found]
    top = _nice(max(max(v) for found in panel.series.values() for v in found.values()))
    across, up = width / max(counts), height / top
    yield _text(x, y - 14, panel.title, weight="bold", size=12)
    for part in range(5):
        value = top * part / 4
        level = y + height - value * up
        yield _line(x, level, x + width, level, _GRID)
        yield _text(x - 8, level + 4, f"{value:.3g} s", anchor="end", colour=_PALE, size=11)
    shown = _apart(sorted(set(counts)), across)
    for count in shown:
        yield _text(
            x + count * across,
            y + height + 18,
            f"{count:,}",
            anchor="middle",
            colour=_PALE,
            size=11,
        )
    for found, colour in zip(panel.series.values(), _COLOURS, strict=False):
        middles = [(x + n * across, y + height - median(v) * up) for n, v in sorted(found.items())]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in middles)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for n, values in sorted(found.items()):
            a = x + n * across
            yield _line(
                a, y + height - min(values) * up, a, y + height - max(values) * up, colour, width=2
            )
            yield f'<circle cx="{a:.1f}" cy="{y + height - median(values) * up:.1f}" r="3" fill="{colour}"/>'
    for place, (name, colour) in enumerate(zip(panel.series, _COLOURS, strict=False)):
        yield _rect(x + 90 * place, y + height + 30, 10, 10, colour)
        yield _text(x + 90 * place + 15, y + height + 39, name, size=11)


def _apart(counts: Sequence[int], across: float) -> list[int]:
    """Leave out labels that would lie on each other; the last one stays."""
    kept: list[int] = []
    for count in reversed(counts):
        if not kept or (kept[-1] - count) * across > 30:
            kept.append(count)
    return kept


def _nice(value: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(step * power for step in (1, 2, 3, 5, 10) if step * power >= value)


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 13,
    weight: str = "normal",
    anchor: str = "start",
    colour: str = _INK,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, *, width: float = 1) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="{width:g}"/>'
    )


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'fill="{colour}" rx="2"/>'
    )


def _svg(title: str, height: float, lines: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" '
        f'width="{_WIDTH}" height="{height:.0f}" role="img" aria-label="{escape(title)}" '
        f'font-family="{_FONT}">'
    )
    ground = f'<rect width="{_WIDTH}" height="{height:.0f}" rx="8" fill="#ffffff"/>'
    return "\n".join([head, ground, *lines, "</svg>"]) + "\n"
