"""The end of a process: as quick as can be, and the same to whoever looks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MINIMAL = "version: 1\nservice: shop\nimage: shop\nport: 80\n"
LATE = "import atexit; atexit.register(lambda: print('later', flush=True)); "
END = "from deploy_action.ending import end; raise SystemExit(end(3))"


def run(program: str) -> tuple[int, str]:
    """Return the exit code and the output of a Python program."""
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def test_the_code_is_kept_and_what_was_written_arrives() -> None:
    """Streams are flushed first, and nothing else is waited for."""
    assert run(f"print('said', end=''); {END}") == (3, "said")
    assert run(f"import sys; sys.stderr.write('said'); {END}") == (3, "said")
    assert run(f"{LATE}{END}") == (3, "")


@pytest.mark.parametrize(
    "left",
    [
        "import sys; sys.setprofile(lambda *_: None); ",
        "import sys; sys.settrace(lambda *_: None); ",
        "import threading; threading.Timer(0.1, lambda: None).start(); ",
    ],
    ids=["a profiler", "a debugger", "a thread"],
)
def test_whoever_is_still_there_is_waited_for(left: str) -> None:
    """Then the interpreter ends as it always does."""
    assert run(f"{LATE}{left}{END}") == (3, "later\n")


def test_a_thread_that_nobody_waits_for_does_not_hold_it_up() -> None:
    """A daemon is cut off by the interpreter as well."""
    program = (
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    )
    assert run(f"{LATE}{program}; {END}") == (3, "")


@pytest.mark.parametrize(
    ("redirected", "code"),
    [
        (">/dev/full", 1),
        ("--json >/dev/full", 1),
        (">&-", 1),
        ("-e nowhere --json >/dev/full", 2),
        ("-e nowhere 2>/dev/full", 2),
        ("2>/dev/full", 0),
        ("2>&-", 0),
        (">/dev/null", 0),
    ],
)
def test_a_report_that_cannot_be_written_is_no_success(
    redirected: str, code: int, tmp_path: Path
) -> None:
    """A full disk or a closed stream is told in a line, without a traceback; a failure stays one."""
    (tmp_path / "deploy.yaml").write_text(MINIMAL)
    for buffered in ("unset PYTHONUNBUFFERED", "export PYTHONUNBUFFERED=1"):
        command = f'{buffered}; exec "$0" -m deploy_action validate {redirected}'
        done = subprocess.run(
            ["sh", "-c", command, sys.executable],
            check=False,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        lost = "2>" not in redirected and "null" not in redirected
        told = [line for line in done.stderr.splitlines() if "could not be written" in line]
        assert len(told) == lost
        assert "Traceback" not in done.stderr


def test_a_flush_that_fails_is_told_by_the_interpreter() -> None:
    """Its code for that is 120, whatever ours would have been."""
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    argv = [sys.executable, "-c", f"print('said', end=''); {END}"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            argv, check=False, stdout=full, stderr=subprocess.PIPE, text=True, env=buffered
        )
    assert (done.returncode, "No space left" in done.stderr) == (120, True)


def test_a_reader_that_went_away_is_141() -> None:
    """`deploy-action docs | head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "deploy_action", "--help"], check=False, stdout=writer
    )
    os.close(writer)
    assert done.returncode == 141
