"""Runs bandit over many files in several processes; knows no thresholds and judges nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from deploy_action.gates.python_files import SourceFile

__all__ = ["Checks", "FileScan", "ScanFailed", "cores", "scan_files"]

WORKER = Path(__file__).with_name("bandit_worker.py")
BYTES_PER_WORKER = 200_000
"""Less than this is scanned faster than a second Python starts."""
MOST_WORKERS = 16


class ScanFailed(Exception):
    """bandit itself failed: nobody knows what it would have found."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.why = why
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What bandit is asked to check."""

    tests: tuple[str, ...] = ()
    skips: tuple[str, ...] = ()
    ignore_nosec: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileScan:
    """What bandit says about one file, in the words of its own JSON report."""

    path: str
    findings: tuple[dict[str, Any], ...]
    errors: tuple[dict[str, Any], ...]
    suppressed: int
    lines: int


@dataclass(slots=True, kw_only=True)
class _Work:
    """What the threads share; `deque.popleft` and `list.append` are atomic."""

    waiting: deque[str]
    done: list[FileScan] = field(default_factory=list)
    failures: list[ScanFailed] = field(default_factory=list)


def cores() -> int:
    """Count the processors that this process may use, not those of the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def scan_files(
    root: Path,
    files: Sequence[SourceFile],
    checks: Checks,
    *,
    timeout_seconds: float,
    workers: int | None = None,
) -> tuple[FileScan, ...]:
    """Scan every file and return one answer for each, sorted by path.

    Each worker takes the largest file that is left, so all end at about the same time.
    The workers see neither the environment (it holds secrets) nor, as Python is isolated,
    any module of the scanned tree.

    Raises:
        ScanFailed: a worker died, answered nonsense, or the time was over.
    """
    largest_first = sorted(files, key=lambda file: (-file.size_bytes, file.path))
    work = _Work(waiting=deque(file.path for file in largest_first))
    count = workers or min(cores(), MOST_WORKERS, 1 + _size(files) // BYTES_PER_WORKER)
    in_time = _work_off(root, work, checks, min(count, len(files)), timeout_seconds)
    if not in_time:
        raise ScanFailed(
            f"bandit was not done after {timeout_seconds:g} s"
            f" ({len(work.done)} of {len(files)} files)",
            "scan less (gates.bandit.paths, exclude) or allow more time (gates.bandit.timeout)",
        )
    if work.failures:
        raise work.failures[0]
    if len(work.done) != len(files):
        raise ScanFailed(
            f"bandit answered for {len(work.done)} of {len(files)} files", "report this as a bug"
        )
    return tuple(sorted(work.done, key=lambda scan: scan.path))


def _size(files: Iterable[SourceFile]) -> int:
    return sum(file.size_bytes for file in files)


def _work_off(root: Path, work: _Work, checks: Checks, count: int, seconds: float) -> bool:
    """Run `count` workers until the work is done or has failed; return whether in time."""
    processes: list[subprocess.Popen[bytes]] = []
    threads: list[threading.Thread] = []
    overdue = threading.Event()

    def give_up() -> None:
        overdue.set()
        _kill(processes)

    clock = threading.Timer(seconds, give_up)
    clock.daemon = True
    try:
        for _ in range(count):
            process, log = _start(root)
            processes.append(process)
            thread = threading.Thread(target=_drive, args=(process, log, checks, work))
            thread.daemon = True
            thread.start()
            threads.append(thread)
        clock.start()
        for thread in threads:
            thread.join()
    finally:
        clock.cancel()
        _kill(processes)
    return not overdue.is_set()


def _start(root: Path) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    # -I keeps the working directory, PYTHONPATH and the user's site out of sys.path.
    command = [sys.executable, "-I", "-X", "utf8", "-W", "ignore", str(WORKER)]
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    log = tempfile.TemporaryFile()  # noqa: SIM115 - the thread that reads it closes it
    try:
        process = subprocess.Popen(
            command,
            cwd=root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    except BaseException:
        log.close()
        raise
    return process, log


def _kill(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.kill()
        process.wait()


def _drive(process: subprocess.Popen[bytes], log: IO[bytes], checks: Checks, work: _Work) -> None:
    """Feed one worker until nothing is left or something fails."""
    doing = "while it started"
    try:
        options = {
            "tests": checks.tests,
            "skips": checks.skips,
            "ignore_nosec": checks.ignore_nosec,
        }
        _require_usable(_ask(process, options))
        while work.waiting and not work.failures:
            try:
                path = work.waiting.popleft()
            except IndexError:
                break
            doing = f"while it scanned {path}"
            work.done.append(_scan(process, path))
    except ScanFailed as failure:
        work.failures.append(failure)
    except (OSError, ValueError, LookupError, TypeError) as error:
        work.failures.append(_death(process, log, doing, error))
    finally:
        for stream in (process.stdin, process.stdout, log):
            _close(stream)


def _close(stream: IO[bytes] | None) -> None:
    try:
        if stream:
            stream.close()
    except OSError:
        pass  # a dead worker left unread input; its death was reported already


def _ask(process: subprocess.Popen[bytes], question: object) -> dict[str, Any]:
    if process.stdin is None or process.stdout is None:
        raise ValueError("the worker has no pipes")
    process.stdin.write(json.dumps(question).encode("ascii") + b"\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line.endswith(b"\n"):
        raise ValueError("no answer")
    answer = json.loads(line)
    if not isinstance(answer, dict):
        raise TypeError("not an object")
    return answer


def _require_usable(about: dict[str, Any]) -> None:
    if about["unknown"]:
        raise ScanFailed(
            f"bandit {about['version']} has no check named {', '.join(about['unknown'])}",
            "correct gates.bandit.skips or tests: identifiers look like B602",
        )
    if about["missing"]:
        raise ScanFailed(
            f"bandit could not load its checks {', '.join(about['missing'])}",
            "reinstall bandit: pip install --force-reinstall bandit",
        )
    if not about["checks"]:
        raise ScanFailed(
            "bandit has no check left to run", "take identifiers out of gates.bandit.skips"
        )


def _scan(process: subprocess.Popen[bytes], path: str) -> FileScan:
    # "./" because bandit reads standard input when a file is named "-".
    answer = _ask(process, f"./{path}")
    if answer["path"] != f"./{path}":
        raise ValueError("an answer about another file")
    return FileScan(
        path=path,
        findings=tuple(answer["findings"]),
        errors=tuple(answer["errors"]),
        suppressed=answer["suppressed"],
        lines=answer["lines"],
    )


def _death(
    process: subprocess.Popen[bytes], log: IO[bytes], doing: str, error: Exception
) -> ScanFailed:
    try:
        code = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        return ScanFailed(f"bandit answered nonsense {doing}: {error}", "report this as a bug")
    if code == -signal.SIGKILL:
        return ScanFailed(
            f"bandit was killed {doing}",
            "it may have run out of memory: give the runner more, or exclude the file",
        )
    log.seek(0)
    said = log.read()[-2000:].decode("utf-8", "replace").strip().splitlines()
    last = f": {said[-1]}" if said else ""
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    return ScanFailed(f"bandit ended {how} {doing}{last}", "run it by hand: python -m bandit FILE")
