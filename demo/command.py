"""Runs deploy-action in the folder of the demo and shows its output as it arrives."""

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

# What the live line of a command is erased with.
_CLEAR = "\r\x1b[K"
_PROGRAM = str(Path(sys.executable).with_name("deploy-action"))


class Show(Enum):
    """How much of a command's output is shown."""

    HEADLINE = "the first line of its report"
    STEPS = "its steps and the first line of its report"
    WHOLE = "everything"


def run(stage: Stage, teller: Teller, *argv: str, show: Show, exit_code: int) -> int:
    """Run a command, show its output as it arrives, and return its exit code.

    Args:
        exit_code: the expected one; on any other the whole output is shown.
    """
    teller.command(argv)
    # In a pseudo-terminal the command prints what a person sees, with colours.
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
    """Run a read-only command without showing it, and return its JSON."""
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
        except OSError:  # EIO is the end of file of a terminal
            chunk = b""
        if not chunk:
            break
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield _left_standing(line)
    if rest:
        yield _left_standing(rest)


def _left_standing(line: bytes) -> str:
    """Return what a terminal shows in the end, of a line that was written over."""
    return line.decode("utf-8", "replace").rstrip("\r").rsplit(_CLEAR, 1)[-1]
