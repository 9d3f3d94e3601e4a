"""The processes of bandit: a process that fails in any way never looks like a pass."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pytest

from deploy_action.gates import bandit, bandit_scan
from deploy_action.gates.bandit import BanditOptions
from deploy_action.gates.result import Broken, Passed

Fill = Callable[..., Path]

CHECKS = "".join(
    f"\\tB{101 + i}\\t{p.name}\\n" for i, p in enumerate(entry_points(group="bandit.plugins"))
)
ARGUMENTS = """
import json, os, sys, time
if '--help' in sys.argv:
    print('{listed}')
    raise SystemExit(0)
output = next(a for a in sys.argv if a.startswith('--output=')).removeprefix('--output=')
files = sys.argv[sys.argv.index('--') + 1:]
metrics = {{file: {{'loc': 1, 'nosec': 0, 'skipped_tests': 0}} for file in files}}
report = {{'results': [], 'errors': [], 'metrics': metrics}}
"""
WRITE = "open(output, 'w').write(json.dumps(report))\n"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a program in place of bandit's that lists all checks."""

    def replace(source: str, listed: str = CHECKS) -> None:
        file = tmp_path / "program.py"
        file.write_text(ARGUMENTS.format(listed=listed) + source)
        monkeypatch.setattr(bandit_scan, "program", lambda: [sys.executable, "-I", str(file)])

    return replace


def test_the_stand_in_for_bandit_passes_unless_it_fails(fill: Fill, program: Any) -> None:
    """The other tests prove something: the program without their failures passes."""
    program(WRITE)
    assert isinstance(bandit.run(BanditOptions(), fill({"a.py": ""})), Passed)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise SystemExit(0)", "no JSON report"),
        ("raise RuntimeError('no such plugin')", "exited with 1"),
        ("raise RuntimeError('no such plugin')", "RuntimeError: no such plugin"),
        ("raise SystemExit(2)", "exited with 2"),
        ("os.kill(os.getpid(), 9)", "killed while it scanned 1 file"),
        ("os.kill(os.getpid(), 11)", "signal 11"),
        (WRITE + "os.kill(os.getpid(), 9)", "killed"),
        ("open(output, 'w').write('{\"results\": ')", "no JSON report"),
        ("report = []\n" + WRITE, "no JSON report"),
        ("report = {}\n" + WRITE, "no JSON report"),
        ("report['results'] = [{}]\n" + WRITE, "no JSON report"),
        ("report['metrics'] = {}\n" + WRITE, "left out 1 file, such as a.py"),
        ("report['metrics'] = {'./b.py': {}}\n" + WRITE, "left out 1 file"),
    ],
)
def test_a_process_that_fails_breaks_the_gate(
    fill: Fill, program: Any, source: str, says: str
) -> None:
    """A process that crashes, is killed, or reports nonsense or too little is no pass."""
    program(source)
    result = bandit.run(BanditOptions(), fill({"a.py": "print(1)\n"}))
    assert isinstance(result, Broken)
    assert says in result.why
    assert result.remedy


def _started(root: Path, count: int) -> list[int]:
    """Wait until so many stand-ins wrote their process ids."""
    deadline = time.monotonic() + 20
    while len(files := list(root.glob("*.pid"))) < count:
        assert time.monotonic() < deadline, "the processes did not start"
        os.sched_yield()
    return [int(file.stem) for file in files]


def _assert_gone(processes: list[int]) -> None:
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


HANG = "open(f'{os.getpid()}.pid', 'x').close()\ntime.sleep(60)\n"


def test_a_process_killed_from_outside_breaks_the_gate(fill: Fill, program: Any) -> None:
    """The kernel's out-of-memory killer takes one of two processes: the gate is broken."""
    root = fill({"a.py": "print(1)\n", "b.py": "print(2)\n"})
    program(
        "open(f'{os.getpid()}.pid', 'x').close()\nif 'b.py' in files[0]: time.sleep(60)\n" + WRITE
    )
    results: list[Any] = []
    gate = threading.Thread(
        target=lambda: results.append(bandit.run(BanditOptions(), root, processes=2))
    )
    gate.start()
    for process in _started(root, 2):
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass  # the one that did not hang
    gate.join(20)
    assert isinstance(results[0], Broken)
    assert "killed" in results[0].why


def test_the_time_is_bounded_and_no_process_survives(fill: Fill, program: Any) -> None:
    """A scan that hangs is broken after its timeout, and its processes are gone."""
    root = fill({"a.py": "print(1)\n", "b.py": "print(2)\n"})
    program(HANG)
    started = time.monotonic()
    result = bandit.run(BanditOptions(timeout_seconds=2), root, processes=2)
    assert time.monotonic() - started < 15
    assert isinstance(result, Broken)
    assert "timed out after 2 s" in result.why
    _assert_gone(_started(root, 2))


class Cancelled(Exception):
    """What a signal handler of the test raises."""


def test_a_signal_leaves_no_process_behind(fill: Fill, program: Any) -> None:
    """The exception of a handler for SIGTERM passes through, and the processes are gone."""
    root = fill({"a.py": "print(1)\n", "b.py": "print(2)\n"})
    program(HANG)

    def cancel(*_: object) -> None:
        raise Cancelled

    def interrupt() -> None:
        _started(root, 2)
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, cancel)
    try:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(Cancelled):
            bandit.run(BanditOptions(), root, processes=2)
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    _assert_gone(_started(root, 2))


def test_a_missing_interpreter_breaks_the_gate(fill: Fill, monkeypatch: Any) -> None:
    """A tool that cannot be started is no pass."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    result = bandit.run(BanditOptions(), fill({"a.py": "print(1)\n"}))
    assert isinstance(result, Broken)
    assert "could not be started" in result.why


@pytest.mark.parametrize("listed", ["", "\\tB101\\tassert_used\\n"])
def test_a_bandit_without_its_checks_breaks_the_gate(fill: Fill, program: Any, listed: str) -> None:
    """bandit goes on without a plugin that it cannot load; here the missing check counts."""
    program(WRITE, listed=listed)
    result = bandit.run(BanditOptions(), fill({"a.py": "print(1)\n"}))
    assert isinstance(result, Broken)
    assert "could not load its checks" in result.why
    assert "exec_used" in result.why


def test_a_plugin_that_cannot_be_loaded_breaks_the_gate(
    fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin that is installed and that the real bandit does not list is missed."""
    installed = entry_points(group="bandit.plugins")
    other = EntryPoint("other_check", "nowhere:check", "bandit.plugins")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [*installed, other])
    result = bandit.run(BanditOptions(), fill({"a.py": "print(1)\n"}))
    assert isinstance(result, Broken)
    assert result.why.endswith("could not load its checks other_check")


def test_a_check_that_crashes_breaks_the_gate(fill: Fill) -> None:
    """bandit logs a crash of one of its checks, finds nothing and exits 0; here that counts,
    and the message names the check that may be skipped.
    """
    # Met in bandit 1.9.4: B202 expects a plain function where a method is called.
    root = fill({"a.py": "import tarfile\ntarfile.open('x').extractall(members=a.b())\n"})
    result = bandit.run(BanditOptions(), root)
    assert isinstance(result, Broken)
    [problem] = result.unchecked
    assert (problem.file, problem.line) == ("a.py", 2)
    assert "crashed" in problem.message
    assert "B202" in problem.hint
    assert isinstance(bandit.run(BanditOptions(skips=("B202",)), root), Passed)


def test_more_files_than_one_command_takes_are_all_scanned(
    fill: Fill, program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arguments are limited, so a process is given only so many files."""
    monkeypatch.setattr(bandit_scan, "MOST_FILES", 3)
    program("assert len(files) <= 3\nopen(f'{os.getpid()}.pid', 'x').close()\n" + WRITE)
    root = fill({f"m{number}.py": "print(1)\n" for number in range(10)})
    result = bandit.run(BanditOptions(), root, processes=2)
    assert isinstance(result, Passed)
    assert result.summary == "10 files, 10 lines"
    assert len(list(root.glob("*.pid"))) == 4


def test_source_text_is_not_kept(fill: Fill) -> None:
    """bandit's report quotes the lines of a finding; the result does not."""
    root = fill({"a.py": "x = eval('unmistakable')  # source text\n"})
    assert "unmistakable" not in repr(bandit.run(BanditOptions(), root))
