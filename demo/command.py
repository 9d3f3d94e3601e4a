"""Runs the real deploy-action in the demo's folder, its output shown as it comes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from demo.stage import Stage
from demo.teller import Teller, plain

__all__ = ["Show", "ask", "run"]

_PROGRAM = str(Path(sys.executable).with_name("deploy-action"))


class Show(Enum):
    """How much of a command's own output is shown: nobody reads the same picture six times."""

    HEADLINE = "its steps and its report are left out, but the report's first line"
    STEPS = "its steps and the first line of its report"
    WHOLE = "everything"


def run(stage: Stage, teller: Teller, *argv: str, show: Show, exit_code: int) -> int:
    """Run a command, show its output as it comes, and return its exit code.

    Args:
        exit_code: the one that is expected; with another one nothing is left out.
    """
    teller.command(argv)
    # A terminal of its own, so that the output is what a person gets, colours included.
    master, slave = pty.openpty()
    environ = os.environ | {"COLUMNS": str(teller.width - 4)}
    if not teller.colours:
        environ["NO_COLOR"] = "1"
    with contextlib.closing(os.fdopen(master, "rb", buffering=0)) as terminal:
        process = subprocess.Popen(
            [_PROGRAM, *argv], cwd=stage.folder, env=environ, stdout=slave, stderr=slave
        )
        os.close(slave)
        reported, left_out = False, list[str]()
        for line in _lines(terminal.fileno()):
            headline = plain(line).startswith(("✓ ", "✗ "))
            steps = show is not Show.HEADLINE and not reported
            if show is Show.WHOLE or steps or (headline and not reported):
                teller.output(line)
            else:
                left_out.append(line)
            reported = reported or headline
        ended = process.wait()
    for line in left_out if ended != exit_code else ():
        teller.output(line)
    return ended


def ask(stage: Stage, *argv: str) -> dict[str, Any]:
    """Run a command that only looks, unseen, and return its JSON."""
    done = subprocess.run(
        [_PROGRAM, *argv, "--json"], cwd=stage.folder, check=False, capture_output=True, text=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _lines(terminal: int) -> Iterator[str]:
    rest = b""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # EIO: the other side has closed, which is a terminal's end of file
            chunk = b""
        if not chunk:
            break
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if rest:
        yield rest.decode("utf-8", "replace")
