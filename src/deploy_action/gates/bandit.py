"""The bandit gate: which findings refuse a deployment. Fails closed where bandit fails open.

bandit 1.9 exits 0 on files that do not parse, on directories that are empty, missing or unreadable
and on checks that crash or cannot be loaded, and it takes options from a ``.bandit`` file in the
tree that it scans. Here each of these is `Broken`, and no file of the tree is read as options.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from deploy_action.gates import bandit_baseline
from deploy_action.gates.bandit_scan import Checks, Scan, ScanFailed, scan_files
from deploy_action.gates.gate import Gate, OptionProblem, count, option_values, zero_timeout
from deploy_action.gates.python_files import SourceFile, select
from deploy_action.gates.result import Broken, Finding, Findings, GateResult, Level, Passed
from deploy_action.problem import Problem

__all__ = ["GATE", "BanditOptions", "run", "severe_findings"]

RANKS: tuple[Level, ...] = ("undefined", "low", "medium", "high")
# bandit echoes the value in the text of these, and the line that has it is as secret.
SECRET_TESTS = frozenset({"B105", "B106", "B107"})
MOST_NAMED = 5
"""Number of files with suppressed findings that are named."""
_SETTINGS = {
    "pyproject.toml": b"[tool.bandit",
    "setup.cfg": b"[bandit",
    "tox.ini": b"[bandit",
    ".bandit": b"[bandit",
}
"""Files in which people keep options of bandit, and what shows them."""
_MOST_SETTINGS_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BanditOptions:
    """Which Python files are scanned and which findings refuse a deployment."""

    paths: tuple[str, ...] = (".",)
    exclude: tuple[str, ...] = ()
    severity: Literal["low", "medium", "high"] = "medium"
    confidence: Literal["low", "medium", "high"] = "medium"
    skips: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    baseline: str | None = None
    nosec: Literal["honour", "ignore"] = "honour"
    timeout_seconds: float = 600.0


def read(value: bool | Mapping[str, Any]) -> BanditOptions | None:
    """Return the options of ``gates.bandit``; None where it is false."""
    values = option_values(value)
    return None if values is None else BanditOptions(**values)


def lint(options: BanditOptions) -> Iterator[OptionProblem]:
    """Yield a timeout of zero."""
    yield from zero_timeout(options.timeout_seconds)


def describe(options: BanditOptions) -> Sequence[str]:
    """Say what is scanned and from which severity on a finding refuses."""
    paths = ", ".join(options.paths)
    return [f"{paths}: no finding of severity {options.severity} or higher"]


def run(options: BanditOptions, root: Path, *, processes: int | None = None) -> GateResult:
    """Scan and judge.

    Args:
        processes: how many run at once; by default one for each processor if that pays.
    """
    started = time.monotonic()
    try:
        known = bandit_baseline.load(root, options.baseline) if options.baseline else Counter()
        selection = select(root, options.paths, options.exclude)
        scan = _scan(options, root, selection.files, processes)
    except (ScanFailed, OSError) as error:
        why, remedy = (
            (error.why, error.remedy)
            if isinstance(error, ScanFailed)
            else (f"bandit could not be started: {error}", "run: deploy-action doctor")
        )
        duration = time.monotonic() - started
        return Broken(gate=GATE.name, duration_seconds=duration, why=why, remedy=remedy)
    scan = replace(scan, unchecked=(*selection.problems, *map(_printable, scan.unchecked)))
    duration = time.monotonic() - started
    return _judge(options, root, len(selection.files), scan, known, duration)


def severe_findings(options: BanditOptions, root: Path) -> list[dict[str, Any]]:
    """Return what bandit finds that would refuse a deployment; nothing if it cannot scan."""
    try:
        files = select(root, options.paths, options.exclude).files
        found = _scan(options, root, files, None).findings if files else ()
    except (ScanFailed, OSError):
        return []
    return [finding for finding in found if _refuses(finding, options)]


def _scan(
    options: BanditOptions, root: Path, files: tuple[SourceFile, ...], processes: int | None
) -> Scan:
    return scan_files(
        root,
        files,
        Checks(tests=options.tests, skips=options.skips, ignore_nosec=options.nosec == "ignore"),
        timeout_seconds=options.timeout_seconds,
        processes=processes,
    )


def _judge(
    options: BanditOptions,
    root: Path,
    files: int,
    scan: Scan,
    known: Counter[bandit_baseline.Key],
    duration: float,
) -> GateResult:
    severe = [finding for finding in scan.findings if _refuses(finding, options)]
    new = bandit_baseline.unknown(severe, known, root)
    findings = _describe(new)
    summary = f"{count(files, 'file')}, {count(scan.lines, 'line')}"
    notes = (
        *_notes(scan, below=len(scan.findings) - len(severe), in_baseline=len(severe) - len(new)),
        *_unused_settings(root),
    )
    if scan.unchecked or not files:
        return Broken(
            gate=GATE.name,
            duration_seconds=duration,
            why=_why(scan.unchecked),
            remedy="correct gates.bandit.paths, or exclude what is not code of the service"
            " by gates.bandit.exclude",
            unchecked=scan.unchecked,
            findings=findings,
            notes=notes,
        )
    if findings:
        return Findings(
            gate=GATE.name,
            duration_seconds=duration,
            summary=f"{count(len(findings), 'finding')} in {summary}",
            findings=findings,
            notes=notes,
        )
    return Passed(gate=GATE.name, duration_seconds=duration, summary=summary, notes=notes)


def _refuses(finding: dict[str, Any], options: BanditOptions) -> bool:
    severity, confidence = _level(finding["issue_severity"]), _level(finding["issue_confidence"])
    return RANKS.index(severity) >= RANKS.index(options.severity) and RANKS.index(
        confidence
    ) >= RANKS.index(options.confidence)


def _level(word: str) -> Level:
    return next((rank for rank in RANKS if rank == word.lower()), "high")


def _describe(findings: Iterable[dict[str, Any]]) -> tuple[Finding, ...]:
    """Convert bandit's findings, sorted, and remove the values of passwords."""
    described = []
    twins: Counter[tuple[str, str]] = Counter()
    for finding in sorted(findings, key=_order):
        file = _shown(finding["filename"])
        rule, line = finding["test_id"], finding["line_number"]
        severity = _level(finding["issue_severity"])
        confidence = _level(finding["issue_confidence"])
        secret = rule in SECRET_TESTS
        text = "Possible hard-coded password (its value is not shown)"
        line_hash = _line_hash(rule, "" if secret else finding["line_text"])
        twins[file, line_hash] += 1
        described.append(
            Finding(
                problem=Problem(
                    file=file,
                    line=line,
                    column=_column(finding),
                    message=f"{text if secret else finding['issue_text']}"
                    f" [severity {severity}, confidence {confidence}]",
                    hint=finding["more_info"],
                    rule=rule,
                ),
                level=severity,
                confidence=confidence,
                title=finding["test_name"],
                help_uri=finding["more_info"],
                cwe=int(finding["issue_cwe"].get("id", 0)),
                end_line=max(finding["line_range"] or [line]),
                fingerprint=f"{line_hash}:{twins[file, line_hash]}",
            )
        )
    return tuple(described)


def _line_hash(rule: str, line: str) -> str:
    """Identify a finding by its rule and the text of its line, so that it survives moving."""
    identity = f"{rule}\0{line}".encode("utf-8", "surrogateescape")
    return hashlib.sha256(identity).hexdigest()[:16]


def _column(finding: dict[str, Any]) -> int:
    # bandit's column is that of the whole statement, its line often that of one argument.
    if finding["line_number"] != min(finding["line_range"] or [0]):
        return 0
    return max(0, int(finding["col_offset"])) + 1


def _order(finding: dict[str, Any]) -> tuple[str, int, int, str, str]:
    return (
        finding["filename"],
        finding["line_number"],
        finding["col_offset"],
        finding["test_id"],
        finding["issue_text"],
    )


def _why(unchecked: Sequence[Problem]) -> str:
    if not unchecked:
        return "bandit found nothing to check"
    first = unchecked[0]
    more = f" (and {len(unchecked) - 1} more)" if len(unchecked) > 1 else ""
    return f"bandit did not check everything: {first.file} {first.message}{more}"


def _notes(scan: Scan, *, below: int, in_baseline: int) -> tuple[str, ...]:
    notes = []
    if scan.suppressed:
        suppressed = list(scan.suppressed.items())
        where = ", ".join(f"{_shown(file)} ({number})" for file, number in suppressed[:MOST_NAMED])
        more = len(suppressed) - MOST_NAMED
        end = f" and {more} more files" if more > 0 else ""
        total = count(sum(scan.suppressed.values()), "finding")
        notes.append(f"{total} suppressed by `# nosec`: {where}{end}")
    if in_baseline:
        notes.append(f"{count(in_baseline, 'finding')} known from the baseline")
    if below:
        notes.append(f"{count(below, 'finding')} below the thresholds")
    return tuple(notes)


def _unused_settings(root: Path) -> Iterator[str]:
    """Tell of options where bandit itself would look for them: a scanned tree cannot loosen its gate."""
    for name, mark in _SETTINGS.items():
        try:
            with (root / name).open("rb") as file:
                found = mark in file.read(_MOST_SETTINGS_BYTES)
        except OSError:
            continue
        if found:
            yield f"{name} has options of bandit, which are not used: write them under gates.bandit"


def _printable(problem: Problem) -> Problem:
    return replace(problem, file=_shown(problem.file))


def _shown(path: str) -> str:
    """Make a name of arbitrary bytes printable: JSON and terminals refuse lone surrogates."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


GATE = Gate(
    key="bandit",
    options=BanditOptions,
    read=read,
    run=run,
    describe=describe,
    lint=lint,
)
