"""The pool of bandit processes: whatever happens to one of them, nobody takes it for a pass."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy_action.config.model import BanditGate
from deploy_action.gates import bandit, bandit_pool
from deploy_action.gates.result import Broken, Passed

Fill = Callable[..., Path]

PROTOCOL = "import json, os, sys, time\nsys.stdin.readline()\n"
READY = PROTOCOL + (
    "print(json.dumps({'version': '0', 'checks': 1, 'missing': [], 'unknown': []}), flush=True)\n"
    "path = json.loads(sys.stdin.readline())\n"
)


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a program in place of the worker."""

    def replace(source: str) -> None:
        program = tmp_path / "worker.py"
        program.write_text(source)
        monkeypatch.setattr(bandit_pool, "WORKER", program)

    return replace


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise SystemExit(0)", "exit code 0 while it started"),
        ("raise RuntimeError('no such plugin')", "RuntimeError: no such plugin"),
        (READY + "os.kill(os.getpid(), 9)", "killed while it scanned a.py"),
        (READY + "os.kill(os.getpid(), 11)", "signal 11 while it scanned a.py"),
        (READY + "print('{\"path\": ', end='', flush=True)", "exit code 0 while it scanned a.py"),
        (READY + "print('[]', flush=True)", "while it scanned a.py"),
        (READY + "print('{}', flush=True)", "while it scanned a.py"),
        (READY + "print(json.dumps({'path': './b.py'}), flush=True)", "while it scanned a.py"),
    ],
)
def test_a_worker_that_fails_breaks_the_gate(
    fill: Fill, worker: Any, source: str, says: str
) -> None:
    """A worker that ends early or answers nonsense is named with the file it was at."""
    worker(source)
    result = bandit.run(BanditGate(), fill({"a.py": "print(1)\n"}))
    assert isinstance(result, Broken)
    assert says in result.why
    assert result.remedy


def test_a_worker_killed_from_outside_breaks_the_gate(fill: Fill, worker: Any) -> None:
    """The kernel's out-of-memory killer takes one of two workers: the gate is broken."""
    root = fill({"a.py": "print(1)\n", "b.py": "print(2)\n"})
    worker(READY + "open(f'{os.getpid()}.pid', 'x').close()\ntime.sleep(60)\n")
    results: list[Any] = []
    gate = threading.Thread(
        target=lambda: results.append(bandit.run(BanditGate(), root, workers=2))
    )
    gate.start()
    deadline = time.monotonic() + 20
    while len(started := list(root.glob("*.pid"))) < 2:
        assert time.monotonic() < deadline, "the workers did not start"
        gate.join(0.01)
    for pid in started:
        os.kill(int(pid.stem), signal.SIGKILL)
    gate.join(20)
    assert isinstance(results[0], Broken)
    assert "killed" in results[0].why


def test_the_time_is_bounded_and_no_worker_survives(fill: Fill, worker: Any) -> None:
    """A scan that hangs is broken after its timeout, and its processes are gone."""
    root = fill({"a.py": "print(1)\n"})
    worker(READY + "open('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)\n")
    started = time.monotonic()
    result = bandit.run(BanditGate(timeout_seconds=2), root)
    assert time.monotonic() - started < 15
    assert isinstance(result, Broken)
    assert "after 2 s (0 of 1 files)" in result.why
    with pytest.raises(ProcessLookupError):
        os.kill(int((root / "pid").read_text()), 0)


class Cancelled(Exception):
    """What a signal handler of the test raises."""


def test_a_signal_leaves_no_worker_behind(
    fill: Fill, worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exception of a handler for SIGTERM passes through, and the processes are gone."""
    root = fill({"a.py": "print(1)\n", "b.py": "print(2)\n"})
    worker(READY + "open(f'{os.getpid()}.pid', 'x').close()\ntime.sleep(60)\n")

    def cancel(*_: object) -> None:
        raise Cancelled

    def interrupt() -> None:
        deadline = time.monotonic() + 20
        while len(list(root.glob("*.pid"))) < 2 and time.monotonic() < deadline:
            os.sched_yield()
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, cancel)
    try:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(Cancelled):
            bandit.run(BanditGate(), root, workers=2)
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    started = [int(path.stem) for path in root.glob("*.pid")]
    assert len(started) == 2
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_worker_ends_when_its_parent_is_gone() -> None:
    """The end of its input, which the parent's death brings, is the end of the worker."""
    command = [sys.executable, "-I", str(bandit_pool.WORKER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'{"tests": [], "skips": [], "ignore_nosec": false}\n')
        process.stdin.flush()
        assert b'"missing": []' in process.stdout.readline()
        process.stdin.close()
        assert process.wait(timeout=20) == 0


def test_a_missing_interpreter_breaks_the_gate(fill: Fill, monkeypatch: Any) -> None:
    """A tool that cannot be started is no pass."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    result = bandit.run(BanditGate(), fill({"a.py": "print(1)\n"}))
    assert isinstance(result, Broken)
    assert "could not be started" in result.why


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ({"version": "0", "checks": 0, "missing": [], "unknown": []}, "no check left"),
        ({"version": "0", "checks": 5, "missing": ["exec_used"], "unknown": []}, "exec_used"),
    ],
)
def test_a_bandit_without_its_checks_breaks_the_gate(
    fill: Fill, worker: Any, about: dict[str, Any], says: str
) -> None:
    """A plugin that could not be loaded is only logged by bandit; here it counts."""
    worker(f"{PROTOCOL}print(json.dumps({about!r}), flush=True)\nsys.stdin.readline()\n")
    result = bandit.run(BanditGate(), fill({"a.py": "print(1)\n"}))
    assert isinstance(result, Broken)
    assert says in result.why


def test_a_check_that_crashes_breaks_the_gate(fill: Fill) -> None:
    """bandit logs a crash of one of its checks, finds nothing and exits 0; here that counts,
    and the message names the check that may be skipped.
    """
    # Met in bandit 1.9.4: B202 expects a plain function where a method is called.
    root = fill({"a.py": "import tarfile\ntarfile.open('x').extractall(members=a.b())\n"})
    result = bandit.run(BanditGate(), root)
    assert isinstance(result, Broken)
    [problem] = result.unchecked
    assert (problem.file, problem.line) == ("a.py", 2)
    assert "crashed" in problem.message
    assert "B202" in problem.hint
    assert isinstance(bandit.run(BanditGate(skips=("B202",)), root), Passed)
