"""The terminal of a report: its width, its colours, and the files whose lines may be quoted."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from deploy_action.render.terminal import RenderContext
from deploy_action.render.text import Style
from deploy_action.results.outcome import Outcome
from deploy_action.results.reports import Report

__all__ = ["live_width", "render_context", "style", "width"]

_NARROWEST = 40
_WIDEST = 120
_LARGEST_SOURCE = 1 << 20


def render_context(
    environ: Mapping[str, str],
    stream: TextIO,
    *,
    no_color: bool = False,
    report: Report | None = None,
) -> RenderContext:
    """Describe the terminal and the files that the report may quote."""
    return RenderContext(
        width=width(environ, stream),
        style=style(environ, stream, no_color=no_color),
        sources=_sources(report),
    )


def width(environ: Mapping[str, str], stream: TextIO) -> int:
    """Return the columns to use: COLUMNS, else the terminal's up to 120, else 80."""
    setting = environ.get("COLUMNS", "")
    if setting.isascii() and setting.isdigit() and int(setting) > 0:
        return max(int(setting), _NARROWEST)
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return 80
    return max(min(columns, _WIDEST), _NARROWEST) if columns else 80


def live_width(environ: Mapping[str, str], stream: TextIO) -> Callable[[], int] | None:
    """Return what measures the terminal on which a line can be rewritten in place; None for a pipe,
    a file, a dumb terminal, and in CI, whose terminals keep every line."""
    if environ.get("TERM", "dumb") == "dumb" or environ.get("CI") or not stream.isatty():
        return None
    return functools.partial(width, environ, stream)


def style(environ: Mapping[str, str], stream: TextIO, *, no_color: bool = False) -> Style:
    """Allow colours only on a terminal and unless they are switched off (https://no-color.org)."""
    forbidden = no_color or bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
    return Style(not forbidden and stream.isatty())


def _sources(report: Report | None) -> dict[str, list[str]]:
    """Read the files whose lines may be shown beside a problem: deploy.yaml alone.

    The files of a gate's findings are not shown: scanned code and the application's own
    configuration may hold secrets.
    """
    if not isinstance(report, Outcome):
        return {}
    sources = {}
    for file in {problem.file for problem in report.problems}:
        with contextlib.suppress(OSError), Path(file).open("rb") as stream:
            sources[file] = stream.read(_LARGEST_SOURCE).decode("utf-8", "replace").splitlines()
    return sources
