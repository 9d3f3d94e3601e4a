"""Runs bandit as a program over chunks of files and merges its reports; judges nothing."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy_action.gates.gate import count
from deploy_action.gates.python_files import SourceFile
from deploy_action.problem import Problem
from deploy_action.process import inherited, start, stop

__all__ = ["Checks", "Scan", "ScanFailed", "scan_files"]

BYTES_PER_PROCESS = 200_000
"""Fewer bytes are scanned faster than another process starts."""
MOST_PROCESSES = 16
MOST_FILES = 1_000
"""Files that one process is given: their names are arguments, and Linux limits these."""

CRASHED = re.compile(
    r"Bandit internal error running: (\S+) on file (.*?) at line (\d+): ", re.DOTALL
)
CHECK = re.compile(r"^\t(\S+)\t(\S+)$", re.MULTILINE)
"""A line of ``bandit --help``: identifier and name of a check that is loaded."""
BLACKLIST = "B001"
"""Stands for all checks of bandit's blacklists."""


class ScanFailed(Exception):
    """bandit failed, so its findings are unknown."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.why = why
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What bandit checks."""

    tests: tuple[str, ...] = ()
    skips: tuple[str, ...] = ()
    ignore_nosec: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """The merged reports.

    Attributes:
        findings: as bandit's JSON report has them, with normal paths and without source text.
            `line_text` is the text of the line that a finding begins on.
        unchecked: files and checks that bandit gave up.
        suppressed: number of findings that ``# nosec`` silenced, by file.
        lines: number of lines of code.
    """

    findings: tuple[dict[str, Any], ...] = ()
    unchecked: tuple[Problem, ...] = ()
    suppressed: Mapping[str, int] = field(default_factory=dict)
    lines: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A process of bandit, the files that it scans, and where its output goes."""

    process: subprocess.Popen[bytes]
    files: tuple[str, ...]
    report: Path
    log: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Runner:
    """Starts processes of bandit, which end with `cleanup` at the latest, and waits for them."""

    root: Path
    folder: Path
    cleanup: ExitStack
    timeout_seconds: float
    deadline: float

    def begin(self, name: str, arguments: Sequence[str], files: tuple[str, ...] = ()) -> _Run:
        report, log = self.folder / f"{name}.json", self.folder / f"{name}.log"
        argv = [*program(), f"--output={report}", *arguments]
        # "-" is standard input to bandit; "./-" is a file.
        argv += ["--", *(f"./{file}" for file in files)]
        with log.open("wb") as out:
            environment = inherited("PATH", "HOME")
            process = start(argv, cwd=self.root, env=environment, stdout=out, stderr=out)
        self.cleanup.callback(_stop, process)
        return _Run(process=process, files=files, report=report, log=log)

    def finish(self, run: _Run) -> _Run:
        """Wait for a run to succeed.

        Raises:
            ScanFailed: it failed or timed out.
        """
        try:
            run.process.wait(max(0.0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise ScanFailed(
                f"bandit timed out after {self.timeout_seconds:g} s",
                "scan less (gates.bandit.paths, exclude) or allow more time (gates.bandit.timeout)",
            ) from None
        _require_success(run)
        return run


def scan_files(
    root: Path,
    files: Sequence[SourceFile],
    checks: Checks,
    *,
    timeout_seconds: float,
    processes: int | None = None,
) -> Scan:
    """Scan every file.

    bandit takes no options from the scanned tree: it looks for a ``.bandit`` only in directories
    that it is given, and it is given files. It gets neither the environment, which contains
    secrets, nor, since Python is isolated, any module of the tree.

    Args:
        processes: how many run at once; by default one for each processor if that pays.

    Raises:
        ScanFailed: bandit crashed, was killed, left out a file or timed out.
    """
    if not files:
        return Scan()
    deadline = time.monotonic() + timeout_seconds
    total_bytes = sum(file.size_bytes for file in files)
    at_once = processes or min(_processors(), MOST_PROCESSES, 1 + total_bytes // BYTES_PER_PROCESS)
    chunks = _chunks(files, at_once)
    done: list[_Run] = []
    available: Mapping[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="deploy-action-bandit-") as folder, ExitStack() as end:
        runner = _Runner(
            root=root,
            folder=Path(folder),
            cleanup=end,
            timeout_seconds=timeout_seconds,
            deadline=deadline,
        )
        listing = runner.begin("checks", ["--help"])
        for first in range(0, len(chunks), at_once):
            runs = [
                runner.begin(str(number), _arguments(checks), chunk)
                for number, chunk in enumerate(chunks[first : first + at_once], first)
            ]
            available = available or _require_checks(runner.finish(listing), checks)
            done += [runner.finish(run) for run in runs]
        return _merge(root, done, available)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        stop(process)


def _processors() -> int:
    """Return the number of processors that this process may use, not those of the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _chunks(files: Sequence[SourceFile], at_once: int) -> list[tuple[str, ...]]:
    """Divide files into chunks of about equal size, so that all processes end at the same time."""
    needed = max(at_once, -(-len(files) // MOST_FILES))
    chunks: list[list[str]] = [[] for _ in range(min(needed, len(files)))]
    sizes = [0] * len(chunks)
    for file in sorted(files, key=lambda file: (-file.size_bytes, file.path)):
        smallest = min(
            (index for index, chunk in enumerate(chunks) if len(chunk) < MOST_FILES),
            key=sizes.__getitem__,
        )
        chunks[smallest].append(file.path)
        sizes[smallest] += file.size_bytes
    return [tuple(chunk) for chunk in chunks]


def program() -> list[str]:
    """Return the beginning of bandit's command."""
    # -I keeps the working directory, PYTHONPATH and the user's site out of sys.path.
    return [sys.executable, "-I", "-X", "utf8", "-W", "ignore", "-m", "bandit"]


def _arguments(checks: Checks) -> list[str]:
    # One line of context is the line of the finding. An empty --exclude turns off a default that
    # leaves out names such as .github.
    arguments = ["--quiet", "--format=json", "--number=1", "--exit-zero", "--exclude="]
    arguments += [f"--tests={','.join(checks.tests)}"] if checks.tests else []
    arguments += [f"--skip={','.join(checks.skips)}"] if checks.skips else []
    return arguments + ["--ignore-nosec"] * checks.ignore_nosec


def _require_checks(listing: _Run, checks: Checks) -> Mapping[str, str]:
    """Return the identifiers of the checks that bandit loaded, by their names.

    bandit says nothing of a plugin that it could not load, and goes on without it.

    Raises:
        ScanFailed: one is missing.
    """
    # It costs 20 ms, for a gate that few runs use.
    from importlib.metadata import entry_points

    available = {name: identifier for identifier, name in CHECK.findall(_read(listing.log))}
    installed = {plugin.name for plugin in entry_points(group="bandit.plugins")}
    if missing := sorted(installed - available.keys()):
        raise ScanFailed(
            f"bandit could not load its checks {', '.join(missing)}",
            "reinstall bandit: pip install --force-reinstall bandit",
        )
    if unknown := sorted({*checks.tests, *checks.skips} - {*available.values(), BLACKLIST}):
        raise ScanFailed(
            f"bandit has no check named {', '.join(unknown)}",
            "correct gates.bandit.skips or tests: identifiers look like B602",
        )
    return available


def _require_success(run: _Run) -> None:
    code = run.process.wait()
    files = count(len(run.files), "file")
    if code == -signal.SIGKILL:
        raise ScanFailed(
            f"bandit was killed while it scanned {files}",
            "it may have run out of memory: give the runner more, or exclude large files",
        )
    if code:
        how = f"was ended by signal {-code}" if code < 0 else f"exited with {code}"
        lines = _read(run.log).strip().splitlines()
        last = f": {lines[-1].rpartition(chr(9))[2]}" if lines else ""
        raise ScanFailed(
            f"bandit {how} while it scanned {files}{last}",
            "correct gates.bandit, or run it by hand: python -m bandit FILE",
        )


def _read(log: Path) -> str:
    return log.read_text("utf-8", "replace")


def _report(run: _Run) -> dict[str, Any]:
    """Return a report that mentions each file of its run.

    Raises:
        ScanFailed: it is not such a report.
    """
    try:
        report: dict[str, Any] = json.loads(run.report.read_bytes())
        mentioned = {os.path.normpath(name) for name in report["metrics"] if name != "_totals"}
        mentioned |= {os.path.normpath(error["filename"]) for error in report["errors"]}
        report["results"] = [_finding(result) for result in report["results"]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ScanFailed(
            f"bandit wrote no JSON report that can be read: {type(error).__name__}",
            "run it by hand: python -m bandit --format json FILE",
        ) from error
    if missed := {os.path.normpath(file) for file in run.files} - mentioned:
        raise ScanFailed(
            f"bandit left out {count(len(missed), 'file')}, such as {min(missed)}",
            "run it by hand: python -m bandit FILE",
        )
    return report


def _finding(result: dict[str, Any]) -> dict[str, Any]:
    """Return a finding without its source text."""
    finding = {name: value for name, value in result.items() if name != "code"}
    finding["filename"] = os.path.normpath(result["filename"])
    # "2 subprocess.call(x)\n3 …": of more than one line the first begins the finding.
    finding["line_text"] = result["code"].partition("\n")[0].partition(" ")[2].strip()
    return finding


def _merge(root: Path, runs: Iterable[_Run], available: Mapping[str, str]) -> Scan:
    findings: list[dict[str, Any]] = []
    unchecked: list[Problem] = []
    suppressed: dict[str, int] = {}
    lines = 0
    for run in runs:
        report = _report(run)
        findings += report["results"]
        unchecked += [_unchecked(root, error) for error in report["errors"]]
        unchecked += _crashed_checks(_read(run.log), available)
        for file, numbers in report["metrics"].items():
            if file != "_totals":
                lines += numbers["loc"]
                if silenced := numbers["nosec"] + numbers["skipped_tests"]:
                    suppressed[os.path.normpath(file)] = silenced
    return Scan(
        findings=tuple(findings),
        unchecked=tuple(sorted(unchecked, key=lambda problem: (problem.file, problem.line))),
        suppressed=dict(sorted(suppressed.items())),
        lines=lines,
    )


def _crashed_checks(log: str, available: Mapping[str, str]) -> Iterable[Problem]:
    """Yield the checks that crashed: bandit logs that, finds nothing and exits with 0."""
    for check, file, line in CRASHED.findall(log):
        identifier = available.get(check)
        yield Problem(
            file=os.path.normpath(file),
            line=int(line),
            message=f"was not checked: bandit's check {check} crashed",
            hint=f"to skip the check, write skips: [{identifier}]" if identifier else "",
            rule="not-checked",
        )


def _unchecked(root: Path, error: Mapping[str, str]) -> Problem:
    file, reason, line = os.path.normpath(error["filename"]), error["reason"], 0
    if "syntax error" in reason:
        # bandit does not say where. Its parser, which is ours, has just survived the file.
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ast.parse((root / file).read_bytes())
        except SyntaxError as wrong:
            reason, line = f"does not parse: {wrong.msg}", wrong.lineno or 0
        except (OSError, ValueError, RecursionError, MemoryError):
            pass
    return Problem(file=file, line=line, message=f"was not checked: {reason}", rule="not-checked")
