"""logs, exec, console, run and restart on a real engine, with a real terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest
from tests.support.sandbox import Sandbox, docker

pytestmark = pytest.mark.docker


def _command(*argv: str) -> list[str]:
    return [sys.executable, "-m", "deploy_action", *argv]


def _run(box: Sandbox, *argv: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        _command(*argv),
        cwd=box.directory,
        input=given,
        capture_output=True,
        check=False,
        timeout=60,
    )


def _in_a_terminal(box: Sandbox, *argv: str, typed: bytes) -> tuple[str, int]:
    """Run a command with a terminal of 37 rows and 91 columns; type when its prompt is there."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    subprocess.run(["stty", "rows", "37", "cols", "91"], stdin=theirs, check=True)
    process = subprocess.Popen(
        _command(*argv), cwd=box.directory, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said, deadline, sent = b"", time.monotonic() + 30, False
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                said += os.read(ours, 65536)
            except OSError:
                break
        if not sent and (b"$" in said or b"#" in said):
            os.write(ours, typed)
            sent = True
    code = process.wait(10)
    os.close(ours)
    return said.decode(errors="replace"), code


def test_a_command_in_a_replica_is_as_if_it_ran_here(box: Sandbox) -> None:
    """Input, both outputs byte for byte, and the exit code."""
    box.deployed("1.0.0")
    script = "cat; printf '\\377\\000'; echo beside >&2; exit 7"
    done = _run(box, "exec", "--", "sh", "-c", script, given=b"given\n" * 20_000)
    assert done.stdout == b"given\n" * 20_000 + b"\xff\x00"
    assert done.stderr == b"beside\n"
    assert done.returncode == 7


def test_a_console_is_a_terminal(box: Sandbox) -> None:
    """With the size of the window, and the shell's own exit code."""
    box.deployed("1.0.0")
    said, code = _in_a_terminal(box, "console", typed=b"stty size; exit 4\n")
    assert "37 91" in said
    assert code == 4


def test_what_a_task_prints_can_be_piped(box: Sandbox) -> None:
    """Nothing of ours is on standard output."""
    box.deployed("1.0.0")
    script = "printf 'one\\ntwo'; echo beside >&2"
    done = _run(box, "run", "--no-entrypoint", "--", "sh", "-c", script)
    assert done.stdout == b"one\ntwo"
    assert b"beside\n" in done.stderr
    assert done.returncode == 0


def test_logs_follow_what_is_printed(box: Sandbox) -> None:
    """The last lines, then what comes, until Ctrl-C; a time limits them too."""
    box.deployed("1.0.0")
    first = _run(box, "logs", "--tail", "1")
    assert b"listening" in first.stdout
    assert _run(box, "logs", "--since", "1ms").stdout == b""
    [name] = box.serving_containers()
    with box.start("logs", "--follow", "--tail", "1") as process:
        try:
            assert process.stdout is not None
            assert "listening" in process.stdout.readline()
            docker("kill", "-s", "TERM", name)
            assert "stopping" in process.stdout.readline()
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_a_restart_under_load_loses_nothing(box: Sandbox) -> None:
    """The same version in another container."""
    box.deployed("1.0.0")
    [before] = box.serving_containers()
    with box.unbroken():
        done = box.run("restart")
        assert done.exit_code == 0, done.text
    [after] = box.serving_containers()
    assert before != after
    assert box.serving() == "1.0.0"
