"""Runs other programs: argument lists only, with a deadline, and no process is left behind."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deploy_action.redaction import redact

__all__ = ["Completed", "ProcessTimeout", "environment", "git", "inherited", "run", "start", "stop"]

_OUTPUT_LIMIT = 16 * 1024 * 1024
_CHUNK = 65536
_TICK_SECONDS = 0.05
"""How often to check whether a program that keeps its output open has ended."""
_LINGER_SECONDS = 0.2
"""How long to keep reading after the program ended while its children keep its output open."""
_TERM_SECONDS = 0.5
_GIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A program that ran to its end.

    Attributes:
        exit_code: its exit status; minus the signal's number when a signal ended it.
        stdout: as text; bytes that are not UTF-8 are replaced.
        stderr: likewise.
        truncated: one of the two was longer than the limit; its end is missing.
    """

    exit_code: int
    stdout: str
    stderr: str
    truncated: bool = False


class ProcessTimeout(TimeoutError):
    """A program did not end in time and was killed with its whole process group.

    The message has only its name: arguments may be long. The output so far is kept.
    """

    def __init__(self, program: str, seconds: float, stdout: str, stderr: str) -> None:
        super().__init__(f"{program} timed out after {seconds:g} s")
        self.program = program
        self.seconds = seconds
        self.stdout = stdout
        self.stderr = stderr


def environment() -> dict[str, str]:
    """Return the variables of this process without those that hold a secret: what another program
    gets unless something else is said."""
    return {name: value for name, value in os.environ.items() if redact(value) == value}


def inherited(*names: str) -> dict[str, str]:
    """Return the variables of these names, as an environment without everything else."""
    return {name: os.environ[name] for name in names if name in os.environ}


def run(
    argv: Sequence[str],
    *,
    input: bytes | str | None = None,
    timeout_seconds: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
    output_limit: int = _OUTPUT_LIMIT,
    on_line: Callable[[str], None] | None = None,
) -> Completed:
    """Run a program to its end.

    It gets its own session and process group: Ctrl-C does not reach it, everything that it
    starts can be ended with it, and it cannot prompt on the terminal. Pass secrets in `env` or
    `input`: every user of the machine can read arguments.

    Args:
        argv: the program and its arguments; no shell ever sees them.
        input: what it reads from standard input; nothing by default.
        timeout_seconds: after which its process group is killed.
        env: its whole environment; by default `environment()`.
        output_limit: bytes to keep of each stream; the rest is read and dropped.
        on_line: called with each line of both streams as it comes.

    Raises:
        ProcessTimeout: the deadline passed first.
        FileNotFoundError, PermissionError: it could not be started.
    """
    deadline = time.monotonic() + timeout_seconds
    data = input.encode() if isinstance(input, str) else input
    process = start(
        argv,
        stdin=subprocess.DEVNULL if data is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        cwd=cwd,
    )
    exchange = _Exchange(process, data or b"", output_limit, on_line)
    try:
        finished = exchange.until(deadline)
    except BaseException:
        stop(process)
        raise
    finally:
        exchange.close()
    stdout, stderr = exchange.text()
    if not finished:
        stop(process)
        raise ProcessTimeout(argv[0], timeout_seconds, stdout, stderr)
    return Completed(
        exit_code=process.wait(), stdout=stdout, stderr=stderr, truncated=exchange.truncated
    )


def git(*arguments: str, cwd: Path | str | None = None) -> str:
    """Ask git; an empty answer when it fails, is not installed, or takes too long."""
    # Asked before deploy.yaml is read: which variables are secret is not known yet.
    settings = (name for name in os.environ if name.startswith("GIT_"))
    env = inherited("PATH", "HOME", "XDG_CONFIG_HOME", *settings)
    try:
        done = run(["git", *arguments], timeout_seconds=_GIT_SECONDS, env=env, cwd=cwd)
    except OSError:
        return ""
    return done.stdout.strip() if done.exit_code == 0 else ""


def start(
    argv: Sequence[str],
    *,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program that lives longer than one call; end it with `stop`.

    Args:
        stdin: like stdout and stderr a file, a descriptor or one of subprocess's constants.
    """
    if isinstance(argv, str) or not argv:
        raise ValueError("argv must be a list with a program and its arguments")
    return subprocess.Popen(
        list(argv),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=environment() if env is None else dict(env),
        cwd=cwd,
        start_new_session=True,
    )


def stop(process: subprocess.Popen[bytes], *, grace_seconds: float = _TERM_SECONDS) -> int:
    """End a program and its process group: SIGTERM, after the grace SIGKILL; return its status."""
    _signal_group(process, signal.SIGTERM)
    try:
        process.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _signal_group(process, signal.SIGKILL)
    return process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        # No process is left; macOS reports "not permitted" for a group of zombies.
        pass


class _Exchange:
    """Feeds a program's input and collects its output, in one thread."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        data: bytes,
        limit: int,
        on_line: Callable[[str], None] | None,
    ) -> None:
        self._process = process
        self._on_line = on_line
        self._begun: dict[IO[bytes], bytes] = {}
        self._pending = memoryview(data)
        self._limit = limit
        self._selector = selectors.DefaultSelector()
        self._kept: dict[IO[bytes], bytearray] = {}
        self.truncated = False
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                self._kept[stream] = bytearray()
                self._selector.register(stream, selectors.EVENT_READ)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            self._selector.register(process.stdin, selectors.EVENT_WRITE)

    def until(self, deadline: float) -> bool:
        """Exchange until the program ends; False if the deadline passes first."""
        ended_at: float | None = None
        while self._selector.get_map():
            now = time.monotonic()
            if now >= (deadline if ended_at is None else ended_at + _LINGER_SECONDS):
                break
            for key, _ in self._selector.select(min(_TICK_SECONDS, max(0.0, deadline - now))):
                stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
                if stream is self._process.stdin:
                    self._write(stream)
                else:
                    self._read(stream)
            if ended_at is None and self._process.poll() is not None:
                ended_at = time.monotonic()
        return self._ended(deadline)

    def _ended(self, deadline: float) -> bool:
        """Wait for the program, which has closed its output and so is most likely ending."""
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def _write(self, stream: IO[bytes]) -> None:
        try:
            written = os.write(stream.fileno(), self._pending[:_CHUNK])
        except BlockingIOError:
            return
        except BrokenPipeError:
            # It has closed its input; its exit code tells whether that is an error.
            written = len(self._pending)
        self._pending = self._pending[written:]
        if not self._pending:
            self._selector.unregister(stream)
            stream.close()

    def _read(self, stream: IO[bytes]) -> None:
        try:
            data = os.read(stream.fileno(), _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._selector.unregister(stream)
        if self._on_line is not None:
            self._pass_on(stream, data, self._on_line)
        if not data:
            return
        kept = self._kept[stream]
        room = self._limit - len(kept)
        self.truncated = self.truncated or len(data) > room
        kept += data[:room]

    def _pass_on(self, stream: IO[bytes], data: bytes, on_line: Callable[[str], None]) -> None:
        """Pass complete lines on, and what is left at the end; a line that is too long in pieces."""
        *lines, rest = (self._begun.pop(stream, b"") + data).split(b"\n")
        if data and len(rest) < _CHUNK:
            self._begun[stream] = rest
        elif rest:
            lines.append(rest)
        for line in lines:
            on_line(line.decode("utf-8", "replace").rstrip("\r"))

    def text(self) -> tuple[str, str]:
        """Return standard output and standard error."""
        stdout, stderr = (bytes(kept).decode("utf-8", "replace") for kept in self._kept.values())
        return stdout, stderr

    def close(self) -> None:
        """Close the pipes."""
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
