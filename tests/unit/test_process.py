"""The process runner: deadlines hold, output is bounded, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from deploy_action import process


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def is_gone(pid: int, deadline_seconds: float = 5.0) -> bool:
    """Wait until a process has ended (a zombie has)."""
    deadline = time.monotonic() + deadline_seconds
    waiting = threading.Event()
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        waiting.wait(0.01)
    return False


def test_output_and_exit_code_are_reported() -> None:
    """Both streams arrive apart, with the program's own exit code."""
    done = process.run(
        python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"),
        timeout_seconds=20,
    )
    assert (done.exit_code, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert not done.truncated


def test_a_shell_never_sees_the_arguments() -> None:
    """Metacharacters arrive as they are."""
    argument = "$(id); `id` > /tmp/x && 'a' \"b\" *"
    done = process.run(
        [*python("import sys; sys.stdout.write(sys.argv[1])"), argument], timeout_seconds=20
    )
    assert done.stdout == argument


def test_a_string_is_not_an_argument_list() -> None:
    """A command line in one string is refused instead of being split or run letter by letter."""
    with pytest.raises(ValueError, match="list"):
        process.run("true", timeout_seconds=1)
    with pytest.raises(ValueError, match="list"):
        process.run([], timeout_seconds=1)


def test_big_input_and_output_do_not_block_each_other() -> None:
    """Eight MiB go through a program that echoes while it reads."""
    data = os.urandom(1024).hex().encode() * 4096
    done = process.run(
        python("import sys,shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"),
        input=data,
        timeout_seconds=60,
    )
    assert done.stdout.encode() == data


def test_input_that_nobody_reads_is_no_error() -> None:
    """A program may end without having read everything."""
    done = process.run(python("pass"), input=b"x" * 10_000_000, timeout_seconds=20)
    assert done.exit_code == 0


def test_without_input_standard_input_is_empty() -> None:
    """A program that reads does not wait for a terminal."""
    done = process.run(python("import sys; print(len(sys.stdin.read()))"), timeout_seconds=20)
    assert done.stdout == "0\n"


def test_output_is_capped_and_says_so() -> None:
    """Endless output costs no memory: its beginning is kept and marked as cut."""
    done = process.run(
        python("import sys; sys.stdout.write('x' * 5_000_000)"),
        timeout_seconds=20,
        output_limit=1000,
    )
    assert done.stdout == "x" * 1000
    assert done.truncated


def test_output_that_is_not_utf8_is_replaced() -> None:
    """Any bytes become text."""
    done = process.run(
        python("import sys; sys.stdout.buffer.write(b'a\\xffb')"), timeout_seconds=20
    )
    assert done.stdout == "a\N{REPLACEMENT CHARACTER}b"


def test_the_environment_is_the_one_given(tmp_path: Path) -> None:
    """`env` replaces the environment, `cwd` is where it runs."""
    code = "import os; print(os.environ.get('TOKEN'), os.environ.get('HOME'), os.getcwd())"
    done = process.run(python(code), env={"TOKEN": "t"}, cwd=tmp_path, timeout_seconds=20)
    assert done.stdout == f"t None {tmp_path}\n"


def test_a_missing_program_is_named() -> None:
    """What cannot be started raises the system's own error."""
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        process.run(["no-such-program"], timeout_seconds=1)


def test_at_the_timeout_the_whole_group_dies() -> None:
    """A grandchild that ignores SIGTERM does not survive either, and the output so far is kept."""
    code = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pid = os.fork()\n"
        "if pid: print(os.getpid(), pid, flush=True)\n"
        "signal.pause()\n"
    )
    with pytest.raises(process.ProcessTimeout, match="timed out after 1 s") as caught:
        process.run(python(code), timeout_seconds=1)
    parent, child = map(int, caught.value.stdout.split())
    assert is_gone(parent)
    assert is_gone(child)


def test_the_timeout_holds_for_a_program_that_closed_its_output() -> None:
    """Closed pipes do not mean that it ended."""
    code = "import os, signal; os.close(1); os.close(2); signal.pause()"
    started = time.monotonic()
    with pytest.raises(process.ProcessTimeout):
        process.run(python(code), timeout_seconds=0.5)
    assert time.monotonic() - started < 5


def test_a_background_child_that_holds_the_output_does_not_delay_us() -> None:
    """A program that ended has ended, whoever still has its pipes (ssh's ControlPersist does)."""
    code = (
        "import os, signal\n"
        "pid = os.fork()\n"
        "if pid == 0: os.setsid(); signal.pause()\n"
        "print(pid, flush=True)\n"
    )
    started = time.monotonic()
    done = process.run(python(code), timeout_seconds=30)
    try:
        assert time.monotonic() - started < 5
        assert done.exit_code == 0
    finally:
        os.kill(int(done.stdout), signal.SIGKILL)


def test_an_exception_in_the_caller_kills_the_group(tmp_path: Path) -> None:
    """A signal handler that raises (Ctrl-C, SIGTERM) leaves no program behind."""
    mark = tmp_path / "pid"

    class Interrupted(Exception):
        pass

    def interrupt(number: int, frame: object) -> None:
        raise Interrupted

    def when_it_runs() -> None:
        waiting = threading.Event()
        deadline = time.monotonic() + 20
        while not (mark.exists() and mark.read_text()) and time.monotonic() < deadline:
            waiting.wait(0.01)
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    watcher = threading.Thread(target=when_it_runs)
    watcher.start()
    # It runs once it has its input: the caller is then past starting it, however slow the machine.
    code = (
        "import os, signal, sys; sys.stdin.read(); "
        "open(sys.argv[1], 'w').write(str(os.getpid())); signal.pause()"
    )
    try:
        with pytest.raises(Interrupted):
            process.run([*python(code), str(mark)], input=b"go", timeout_seconds=30)
    finally:
        watcher.join()
        signal.signal(signal.SIGUSR1, before)
    assert is_gone(int(mark.read_text()))


def test_a_started_program_is_stopped_with_its_children() -> None:
    """`stop` ends what `start` began and returns how it ended."""
    code = (
        "import os, signal\n"
        "pid = os.fork()\n"
        "if pid: print(pid, flush=True)\n"
        "else: signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "signal.pause()\n"
    )
    started = process.start(python(code), stdout=subprocess.PIPE)
    assert started.stdout is not None
    with started.stdout:
        child = int(started.stdout.readline())
    assert process.stop(started) == -signal.SIGTERM
    assert is_gone(child)


def test_each_line_is_passed_on_as_it_comes() -> None:
    """Of both streams, also a last one without an end; bytes that are no text are replaced."""
    lines: list[str] = []
    code = "import sys; sys.stdout.buffer.write(b'one\\r\\ntwo \\xff\\nlast'); sys.stderr.write('err\\n')"
    done = process.run([sys.executable, "-c", code], timeout_seconds=30, on_line=lines.append)
    assert sorted(lines) == ["err", "last", "one", "two \ufffd"]
    assert done.stdout.startswith("one")
