"""The session's own program: a deployer that is stopped or cut off holds the lock no longer than it may."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy_action.platforms.docker.edge.artifact import DIRECTORY

_DEADLINE_SECONDS = 20.0


@pytest.fixture
def session(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A session without a lease, on a directory of its own, with one second of patience."""
    state = tmp_path / "state"
    state.mkdir()
    text = (DIRECTORY / "session").read_text()
    assert "\nreadonly patience=60\n" in text
    program = tmp_path / "session"
    program.write_text(text.replace("/state", str(state)).replace("patience=60", "patience=1"))
    with subprocess.Popen(
        ["/bin/bash", str(program), "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        yield process
        with contextlib.suppress(ProcessLookupError):
            process.kill()


def send(process: subprocess.Popen[bytes], sent: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(sent)
    process.stdin.flush()


@pytest.mark.parametrize(
    "request_line", [b"put a 100\n", b"put a 100 raw\n", b"edge 0 keep 100 0\n"]
)
def test_a_payload_that_does_not_come_ends_the_session(
    session: subprocess.Popen[bytes], tmp_path: Path, request_line: bytes
) -> None:
    """Its deployer was stopped in the middle of it: nothing is written, and the lock is free."""
    send(session, request_line + b"half of it")
    assert session.wait(_DEADLINE_SECONDS) != 0
    assert not (tmp_path / "state" / "a").exists()


def test_a_session_that_hangs_does_not_stop_the_others(
    session: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """It holds the edge's own lock: the next one says so, and goes on."""
    assert session.stdout is not None
    send(session, b"ping\n")
    assert session.stdout.readline() == b"ok 0\n"
    with (tmp_path / "state" / "edge" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        send(session, b"edge 0 keep 1 0\nx")
        status, _, size = session.stdout.readline().partition(b" ")
        assert status == b"error"
        assert b"another session" in session.stdout.read(int(size))
    send(session, b"ping\n")
    assert session.stdout.readline() == b"ok 0\n"
